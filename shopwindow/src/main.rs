//! The one command: a subcommand for each service and tool.

mod demo;
mod doctor;
mod imports;
mod profile;
mod services;
mod signals;
mod verify;

use std::io::{IsTerminal, stderr};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use migrations::Database;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise: our own doings, and what others are in trouble with.
const LOGGED: &str = "info,actix_server=warn,actix_http=off,librdkafka=error,sqlx::postgres::notice=warn";

/// A web shop whose every banner and order goes through Kafka into PostgreSQL and onto a live charts page.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything: Kafka, PostgreSQL and the three services, in the foreground
    Demo(demo::Args),
    /// Run a Kafka and a PostgreSQL of this directory's own, for development and tests
    Services(services::Args),
    /// Run the shop
    Storefront(storefront::Config),
    /// Run the consumer: the topic into PostgreSQL
    Consumer(consumer::Config),
    /// Run the charts page and its JSON
    Analytics(analytics::Config),
    /// Apply the database migrations and exit
    Migrate(Database),
    /// Publish the rows of a CSV file as events, and wait until they are stored
    ///
    /// The same file again stores nothing new, however it is packed; when a replay was killed, it goes on where that one
    /// was. Rows that are no events are put beside the file as FILE.rejected.csv, to be mended and replayed.
    Replay(replay::Config),
    /// Show what was replayed, delete it, print its rejected lines
    Imports(imports::Args),
    /// Publish the events of simulated visitors as if they happened now
    Simulate(simulate::Config),
    /// Say what is running, reachable, lagging, full or missing, and what to do
    Doctor(doctor::Args),
    /// Recount from the events everything that is kept and served; exit 1 and name what differs
    Verify(verify::Args),
    /// Say what a CSV file or the stored events consist of: types, missing values, distributions, funnel, repeats
    Profile(profile::Args),
    /// Print a CSV file in the shape of a public data set
    Generate(replay::generate::Config),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(stderr().is_terminal()).with_writer(stderr).init();
    run(Cli::parse().command).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => return demo::run(args).await,
        Command::Services(args) => return services::run(args).await,
        Command::Storefront(config) => {
            let (token, _signals) = signals::listen()?;
            storefront::serve(listen(config.addr)?, config, token)?.await?;
        }
        Command::Consumer(config) => {
            let (token, _signals) = signals::listen()?;
            consumer::run(config, consumer::Working::default(), token).await?;
        }
        Command::Analytics(config) => {
            let (token, _signals) = signals::listen()?;
            migrate_if_possible(&config.database).await;
            analytics::serve(listen(config.analytics_addr)?, config, Arc::new(Vec::new), token)?.await?;
        }
        Command::Verify(args) => return verify::run(&args).await,
        Command::Profile(args) => profile::run(args).await?,
        Command::Migrate(database) => {
            migrate(&database).await?;
        }
        Command::Replay(config) => {
            let (token, _signals) = signals::listen()?;
            migrate_if_possible(&config.database).await;
            let summary = replay::run(&config, token).await?;
            if config.json {
                println!("{}", serde_json::to_string(&summary)?);
            } else {
                println!("{summary}");
            }
        }
        Command::Imports(args) => imports::run(args).await?,
        Command::Simulate(config) => {
            let (token, _signals) = signals::listen()?;
            let summary = simulate::run(&config, token).await?;
            if config.json {
                println!("{}", serde_json::to_string(&summary)?);
            } else {
                println!("{summary}");
            }
        }
        Command::Doctor(args) => return doctor::run(&args).await,
        Command::Generate(config) => replay::generate::run(&config)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn migrate(database: &Database) -> anyhow::Result<()> {
    migrations::apply(&database.pool("shopwindow migrate", 1, Duration::from_secs(10))?).await
}

/// For services that may start before any other: whoever is first applies the migrations. Who may not,
/// or finds the database away, goes on and says itself what it lacks.
async fn migrate_if_possible(database: &Database) {
    if let Err(error) = migrate(database).await {
        tracing::warn!(error = format!("{error:#}"), "cannot see to the migrations");
    }
}

fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr)
        .with_context(|| format!("cannot listen on {addr}; choose another address, or stop what uses it"))
}
