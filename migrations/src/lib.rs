//! The schema: the `.sql` files beside this crate, and the few lines that connect and apply them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};

/// The migrations, embedded in the binary; also for `#[sqlx::test(migrator = …)]`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// Where the events are kept.
#[derive(Clone, clap::Args)]
pub struct Database {
    /// PostgreSQL, as `postgres://user:password@host:port/database`
    #[arg(
        long = "database-url",
        env = "DATABASE_URL",
        default_value = "postgres://shopwindow@127.0.0.1:5432/shopwindow",
        hide_env_values = true
    )]
    pub url: String,
}

impl fmt::Debug for Database {
    /// Leaves the URL out, for it holds the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// How to connect, under `application_name`, which shows in `pg_stat_activity`.
    /// Fails when the URL is none.
    pub fn options(&self, application_name: &str) -> anyhow::Result<PgConnectOptions> {
        let options = PgConnectOptions::from_str(&self.url)
            .context("DATABASE_URL is not of the form postgres://user:password@host:port/database")?;
        Ok(options
            .application_name(application_name)
            // compiling a query takes longer than most of ours run
            .options([
                ("jit", "off"),
                // a process that hangs within a transaction must not hold its locks for ever
                ("idle_in_transaction_session_timeout", "60s"),
            ])
            // a slow statement during a bulk load is no news, and its text fills the log
            .log_slow_statements(LevelFilter::Off, Duration::ZERO))
    }

    /// A pool of at most `connections`, opened when first used. A caller waits at most `patience`
    /// for a connection, then gets an error: a page must not hang while the database is away.
    pub fn pool(&self, application_name: &str, connections: u32, patience: Duration) -> anyhow::Result<PgPool> {
        Ok(PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(patience)
            .connect_lazy_with(self.options(application_name)?))
    }
}

/// Brings the schema up to date. Safe when several services start at once: one applies, the others
/// wait. Fails when the database holds a migration that this binary does not know.
pub async fn apply(pool: &PgPool) -> anyhow::Result<()> {
    MIGRATOR.run(pool).await.context("apply the migrations to the database")
}

/// Whether an error of PostgreSQL says that its disk is full, which goes away once someone makes room.
pub fn is_disk_full(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("53100")
}

/// Whether an error of PostgreSQL goes away by itself: it is not there, starts up, shuts down, has no
/// connection left, or gave up a transaction for another's sake.
pub fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        // connection exceptions, conflicts, lack of resources, the operator's intervention
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// How the schema of a database stands to the migrations of this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// All of them are applied, and no others.
    Current,
    /// So many are still to be applied.
    Behind(usize),
    /// This one is applied, and not known here.
    Ahead(i64),
    /// This one was another when it was applied.
    Changed(i64),
}

/// Compares the schema with the migrations of this binary, and changes nothing.
pub async fn schema(connection: &mut PgConnection) -> sqlx::Result<Schema> {
    let asked = sqlx::query_as("select version, checksum from _sqlx_migrations order by version");
    let applied: Vec<(i64, Vec<u8>)> = match asked.fetch_all(connection).await {
        // no such table: none was ever applied
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        applied => applied?,
    };
    for (version, checksum) in &applied {
        match MIGRATOR.iter().find(|known| known.version == *version) {
            None => return Ok(Schema::Ahead(*version)),
            Some(known) if *known.checksum != **checksum => return Ok(Schema::Changed(*version)),
            Some(_) => {}
        }
    }
    Ok(match MIGRATOR.iter().count() - applied.len() {
        0 => Schema::Current,
        missing => Schema::Behind(missing),
    })
}

/// What is wrong, by an error of PostgreSQL, and what to do about it.
pub fn explain(error: &sqlx::Error) -> (String, &'static str) {
    const START: &str = "start PostgreSQL there (`shopwindow demo` or `shopwindow services` bring their own), or set \
                         DATABASE_URL to where it runs";
    const LOGIN: &str = "set DATABASE_URL to a user and password that it knows";
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let (what, remedy) = match &*code {
                "28P01" | "28000" => ("PostgreSQL lets this user not in", LOGIN),
                "3D000" => {
                    ("PostgreSQL has no such database", "create it with createdb, or set DATABASE_URL to the right one")
                }
                "53100" => (
                    "the disk of PostgreSQL is full",
                    "make room on it, or give it more; storing goes on by itself once there is some",
                ),
                "53300" => {
                    ("PostgreSQL has no connection left", "end clients that are not needed, or raise max_connections")
                }
                "57P03" | "57P01" | "57P02" => {
                    ("PostgreSQL starts up or shuts down", "wait a moment; if it stays so, read its log")
                }
                "42P01" | "42703" | "42883" => ("the tables are not those of this version", "run `shopwindow migrate`"),
                "42501" => ("PostgreSQL forbids it", "grant this user the rights, or set DATABASE_URL to the owner"),
                "25006" => (
                    "PostgreSQL is read-only here",
                    "set DATABASE_URL to the primary server, and default_transaction_read_only to off",
                ),
                "57014" => ("PostgreSQL took too long", "see what keeps it busy in pg_stat_activity"),
                _ => ("PostgreSQL refuses", "read its log"),
            };
            (format!("{what}: {}", error.message()), remedy)
        }
        sqlx::Error::Io(error) => (format!("PostgreSQL does not answer: {error}"), START),
        sqlx::Error::PoolTimedOut => ("PostgreSQL gives no connection in time".into(), START),
        sqlx::Error::Tls(error) => {
            (format!("no encrypted connection to PostgreSQL: {error}"), "set sslmode in DATABASE_URL as it expects")
        }
        error => (format!("PostgreSQL is in trouble: {error}"), "read its log"),
    }
}
