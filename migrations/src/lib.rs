//! The schema: the `.sql` files beside this crate, and the few lines that connect and apply them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};

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
