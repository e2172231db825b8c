//! `shopwindow imports`: what was replayed, and how to be rid of it.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use migrations::Database;
use replay::Listed;
use uuid::Uuid;

/// Only PostgreSQL must run.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show what was replayed, and what became of its rows
    List {
        #[command(flatten)]
        database: Database,

        /// Print the rows of table imports as a JSON array
        #[arg(long, env = "IMPORTS_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
    /// Delete the rows of an import and all that was counted from them
    ///
    /// What of it still waits to be stored is dropped, too. Rows that other imports or the shop made stay; a row that
    /// several imports brought is of the first of them. When it is interrupted, run it again. Replaying the file
    /// afterwards starts afresh.
    Delete {
        #[command(flatten)]
        database: Database,

        /// As `imports list` shows it
        #[arg(env = "IMPORT_ID")]
        import_id: Uuid,
    },
    /// Print the rejected lines of an import as a CSV file that can be mended and replayed
    Rejects {
        #[command(flatten)]
        database: Database,

        /// As `imports list` shows it
        #[arg(env = "IMPORT_ID")]
        import_id: Uuid,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (Action::List { database, .. } | Action::Delete { database, .. } | Action::Rejects { database, .. }) =
        &args.action;
    let pool = database.pool("shopwindow imports", 3, Duration::from_secs(10))?;
    match args.action {
        Action::List { json: true, .. } => {
            let rows = replay::list_json(&pool).await.context(TABLES)?;
            println!("{rows}");
        }
        Action::List { json: false, .. } => print(&replay::list(&pool).await.context(TABLES)?),
        Action::Delete { import_id, .. } => {
            let rows = consumer::delete_import(&pool, import_id).await?;
            println!("deleted import {import_id} with {rows} rows");
        }
        Action::Rejects { import_id, .. } => {
            let mut out = io::BufWriter::new(io::stdout());
            match replay::write_rejects(&pool, import_id, &mut out).await {
                // a reader that has seen enough
                Err(error) if is_broken_pipe(&error) => {}
                result => {
                    if result? == 0 {
                        eprintln!("import {import_id} has no rejected lines");
                    }
                }
            }
        }
    }
    Ok(())
}

const TABLES: &str = "read table imports in PostgreSQL: is DATABASE_URL right, and has `shopwindow migrate` been run?";

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A line an import, in columns.
fn print(imports: &[Listed]) {
    if imports.is_empty() {
        println!("nothing was imported yet: shopwindow replay FILE does");
        return;
    }
    let header = ["import", "file", "state", "begun (UTC)", "read", "stored", "duplicate", "rejected"];
    let mut table = vec![header.map(str::to_owned)];
    table.extend(imports.iter().map(|import| {
        [
            import.import_id.to_string(),
            import.file_name.clone().unwrap_or_default(),
            import.state.clone(),
            import.started_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            import.read.to_string(),
            import.stored.to_string(),
            import.duplicate.to_string(),
            import.rejected.to_string(),
        ]
    }));
    let widths: [usize; 8] =
        std::array::from_fn(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut out = io::stdout().lock();
    for row in table {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            // text to the left, numbers to the right
            .map(
                |(column, (cell, width))| if column < 4 { format!("{cell:width$}") } else { format!("{cell:>width$}") },
            )
            .collect();
        // a reader that has seen enough
        _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
}
