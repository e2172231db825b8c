//! CSV files to topic.
//!
//! A replay reads a file line by line, makes an event of each, and publishes it like any other
//! event; the consumer stores it. The replay ends when its rows are stored, and says what became of
//! them. A row's own id is its event's id, so a file that is replayed again adds nothing; where rows
//! have none, it follows from the file's fingerprint and the line. The fingerprint is of all unpacked
//! bytes and must be known at the first row, so a file is read through before: seconds a gigabyte,
//! but two files are never taken for one, nor one that is packed for another.
//!
//! # Resuming
//! Every thousand rows there is a mark. Once all before it is stored, or kept as rejected, its line is
//! written to the import's row, and there a replay of the same file goes on when this one was killed.
//!
//! # Parts
//! A thread reads, maps and publishes ([`pump`]): [`input`] gives it lines, [`mapping`] makes
//! events of them, [`publisher`] keeps count of what Kafka has acknowledged. Meanwhile [`run`]
//! watches in PostgreSQL how far the topic is stored, and lets the thread run ahead of that by so
//! much that live events, which queue behind, still are stored soon ([`pace`]).
//!
//! # Errors
//! A line that is no event is kept with its reason, in PostgreSQL and in a file, and the lines
//! around it go on. A file that is damaged gives what comes before the damage, and is then an
//! error. While Kafka, PostgreSQL or the consumer is away the replay waits and says so.

mod beat;
mod fields;
pub mod generate;
mod import;
mod input;
mod list;
mod mapping;
mod named;
mod pace;
mod product_csv;
mod progress;
mod publisher;
mod pump;
mod rees46;
mod rejects;
mod run;
mod times;

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use chrono_tz::Tz;
use clap::builder::BoolishValueParser;
use serde::Serialize;
use uuid::Uuid;

pub use beat::Beat;
pub use input::unpacked;
pub use list::{Listed, list, list_json};
pub use publisher::{Deliveries, Publisher};
pub use rejects::write as write_rejects;
pub use run::run;

/// What a replay needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// CSV file; may be packed as .gz, as .zst, or as .zip with one .csv file in it; - is standard input
    ///
    /// It is read through once before anything is published, to know it again; what comes through a pipe is kept
    /// in TMPDIR meanwhile.
    #[arg(env = "REPLAY_FILE")]
    pub file: PathBuf,

    /// Rows a second [default: as fast as they are stored]
    #[arg(long, env = "REPLAY_RATE")]
    pub rate: Option<NonZeroU32>,

    /// Let the events happen now, under new ids, instead of when the file says
    #[arg(long, env = "REPLAY_AS_LIVE", value_parser = BoolishValueParser::new())]
    pub as_live: bool,

    /// Time zone of those times in the file that name none, an IANA name
    #[arg(long, value_name = "ZONE", env = "SHOP_TIMEZONE", default_value = "UTC", value_parser = parse_zone)]
    pub tz: Tz,

    /// Stop after so many rows
    #[arg(long, value_name = "ROWS", env = "REPLAY_LIMIT")]
    pub limit: Option<u64>,

    /// Leave the product `company` of product.csv as it is; the shop's name for it is `electronics`
    #[arg(long, env = "REPLAY_KEEP_PRODUCTS", value_parser = BoolishValueParser::new())]
    pub keep_products: bool,

    /// What kind of file it is [default: told by its header]
    #[arg(long, value_name = "NAME", env = "REPLAY_FORMAT")]
    pub format: Option<Format>,

    /// Read any CSV file by the names of its columns: `occurred_at=THEIRS,event_type=THEIRS,user_id=THEIRS` and more
    ///
    /// Our names are the fields of events/schema/event.v1.json; a wrong one is answered with the list of them. Columns
    /// with a name of ours keep it, others become attributes. Without an `event_id`, each line is an event of its own.
    #[arg(
        long,
        value_name = "OURS=THEIRS,…",
        env = "REPLAY_MAP",
        value_delimiter = ',',
        value_parser = parse_pair,
        conflicts_with = "format"
    )]
    pub map: Vec<(String, String)>,

    /// The `source` of the events [default: the format's]
    #[arg(long, value_name = "NAME", env = "REPLAY_SOURCE")]
    pub source: Option<String>,

    /// Print the summary as JSON
    #[arg(long, env = "REPLAY_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// Where the events go.
    #[command(flatten)]
    pub kafka: events::Kafka,

    /// Where the import is written down.
    #[command(flatten)]
    pub database: migrations::Database,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Banner shows, banner clicks and orders: the public product.csv, and what `generate` makes
    ProductCsv,
    /// Views, carts and purchases of the shops that REES46 published, a file with or without its header
    Rees46,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (ours, theirs) = text.split_once('=').ok_or("write it as OURS=THEIRS, such as user_id=customer")?;
    Ok((ours.trim().to_owned(), theirs.to_owned()))
}

fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| "not an IANA time zone such as Europe/Berlin".to_owned())
}

/// What became of the rows of a file. `stored + duplicate + rejected` is `read`.
///
/// As JSON it is the six figures of the contract; as text it also tells what is out of the ordinary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The import's row in `imports`, and the `import_id` of its events.
    pub import_id: Uuid,
    /// Rows read, the header not counted.
    pub read: u64,
    /// Events that Kafka has acknowledged.
    pub published: u64,
    /// Events that were new.
    pub stored: u64,
    /// Events that were stored before.
    pub duplicate: u64,
    /// Rows that are no events, and messages that the consumer refused.
    pub rejected: u64,
    /// Times that clocks skipped: moved forward by as much as the clocks were.
    #[serde(skip)]
    pub in_gap: u64,
    /// Times that clocks showed twice: taken as the first.
    #[serde(skip)]
    pub in_overlap: u64,
    /// Where the rejected rows are, to be mended and replayed.
    #[serde(skip)]
    pub rejected_file: Option<PathBuf>,
}

impl Summary {
    /// The figures, in one line.
    fn figures(&self) -> String {
        let Self { import_id, read, published, stored, duplicate, rejected, .. } = self;
        format!(
            "read {read}, published {published}, stored {stored}, duplicate {duplicate}, rejected {rejected} \
             (import {import_id})"
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.figures())?;
        if self.in_gap > 0 {
            write!(f, "\n{} times that clocks skipped were moved forward", self.in_gap)?;
        }
        if self.in_overlap > 0 {
            write!(f, "\n{} times that clocks showed twice were taken as the first", self.in_overlap)?;
        }
        if let Some(file) = &self.rejected_file {
            write!(f, "\nrejected rows: {}; why: table rejected_events, import_id {}", file.display(), self.import_id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_six_figures_as_json_and_a_few_lines_as_text() {
        let summary = Summary {
            import_id: Uuid::from_u128(7),
            read: 10,
            published: 8,
            stored: 5,
            duplicate: 3,
            rejected: 2,
            in_gap: 1,
            in_overlap: 0,
            rejected_file: Some("data/product.rejected.csv".into()),
        };
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            r#"{"import_id":"00000000-0000-0000-0000-000000000007","read":10,"published":8,"stored":5,"duplicate":3,"rejected":2}"#
        );
        assert_eq!(
            summary.to_string(),
            "read 10, published 8, stored 5, duplicate 3, rejected 2 (import 00000000-0000-0000-0000-000000000007)\n\
             1 times that clocks skipped were moved forward\n\
             rejected rows: data/product.rejected.csv; \
             why: table rejected_events, import_id 00000000-0000-0000-0000-000000000007"
        );
    }
}
