//! What a file or the stored events consist of.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use clap::builder::BoolishValueParser;
use migrations::Database;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

/// A database that takes longer to connect is away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the rows are, and how the report is wanted.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// CSV file with a header, of any columns; may be packed; `-` is standard input
    #[arg(env = "PROFILE_FILE", required_unless_present = "stored", conflicts_with = "stored")]
    file: Option<PathBuf>,

    /// Profile the events in PostgreSQL instead of a file
    #[arg(long, env = "PROFILE_STORED", value_parser = BoolishValueParser::new())]
    stored: bool,

    /// Print the report as JSON
    #[arg(long, env = "PROFILE_JSON", value_parser = BoolishValueParser::new())]
    json: bool,

    /// Print the report as an HTML page that needs nothing else
    #[arg(long, env = "PROFILE_HTML", value_parser = BoolishValueParser::new(), conflicts_with = "json")]
    html: bool,

    /// Where the events are.
    #[command(flatten)]
    database: Database,
}

/// Prints the report.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (profile, size) = match args.file {
        Some(file) if !args.stored => {
            let size = fs::metadata(&file).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
            let gathering = tokio::task::spawn_blocking(move || {
                profile::csv(&file.display().to_string(), replay::unpacked(&file)?)
            });
            (gathering.await.context("profile the file")??, size)
        }
        _ => (stored(&args.database).await?, None),
    };
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    if args.json {
        println!("{}", serde_json::to_string(&profile)?);
    } else if args.html {
        let of = size.map(|bytes| format!(" of a file of {bytes} bytes")).unwrap_or_default();
        print!("{}", profile::standalone(&profile, &format!("Made {now}{of}"))?);
    } else {
        print!("{profile}");
    }
    Ok(())
}

async fn stored(database: &Database) -> anyhow::Result<profile::Profile> {
    let options = database.options("shopwindow profile")?.options([
        // one statement is one snapshot; it may take its time
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "0"),
        ("timezone", "UTC"),
    ]);
    let connecting = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
    let mut connection = connecting.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(in_words)?;
    let profile = profile::stored(&mut connection, Arc::default()).await.map_err(|error| {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => in_words(error),
            Err(error) => error,
        }
    })?;
    connection.close().await?;
    Ok(profile)
}

/// What is wrong with the database, and what to do about it.
fn in_words(error: sqlx::Error) -> anyhow::Error {
    let (what, remedy) = migrations::explain(&error);
    anyhow::anyhow!("{what}: {remedy}")
}
