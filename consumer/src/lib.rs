//! Topic to table: stores every message of the topic in PostgreSQL exactly once.
//!
//! Two halves, joined by channels: [`source`] polls Kafka on a thread of its own, decodes messages
//! and gathers them into batches; [`sink`] writes a batch in one transaction, the offsets in it,
//! while the source gathers the next.
//!
//! # Flush triggers
//! A batch is written when PostgreSQL has finished the one before and the batch is full or its first
//! message has waited [`Config::linger_ms`]; so a click is stored within tens of milliseconds, and a
//! flood goes in large batches.
//!
//! # Exactly once
//! The offsets live in `consumer_offsets` and move in the transaction that stores the rows, from the
//! value this consumer expects; on assignment it seeks to them. A transaction that finds another
//! value has been fenced out by another consumer: it changes nothing and the partitions are read
//! again from where they stand. Repeats within the log are told by `event_id`.
//!
//! # Errors
//! While PostgreSQL or Kafka is away the consumer keeps polling, so it stays in its group, and tries
//! again with back-off; memory is bounded by two batches. A message that is no event is kept in
//! `rejected_events`. An offset that the log does not hold is the one thing that stops it.

mod batch;
mod cell_days;
mod chunks;
mod deletion;
mod fold;
mod rows;
mod sessions;
mod sink;
mod source;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use events::{Kafka, Trouble};
use migrations::Database;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use deletion::delete_import;
pub use fold::{fold_all, set_session_gap, set_timezone};
use sink::Sink;

/// What the consumer needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// The topic to read.
    #[command(flatten)]
    pub kafka: Kafka,

    /// The database to fill.
    #[command(flatten)]
    pub database: Database,

    /// Consumer group: its members share the topic's partitions
    #[arg(long = "kafka-group", env = "KAFKA_GROUP", default_value = "shopwindow")]
    pub group: String,

    /// Time zone of the shop's calendar days, an IANA name
    #[arg(long, env = "SHOP_TIMEZONE", default_value = "UTC")]
    pub shop_timezone: String,

    /// Pause after which a user's next event begins another session: 10m, 90s, 1h 30m
    #[arg(long, env = "SESSION_GAP", default_value = "10m", value_parser = parse_gap)]
    pub session_gap: Duration,

    /// Messages in a batch at the most
    #[arg(long, env = "CONSUMER_BATCH_ROWS", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch_rows: u32,

    /// Milliseconds that the first message of a batch waits for company
    #[arg(long, env = "CONSUMER_LINGER_MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub linger_ms: u64,

    /// Milliseconds without a sign of life after which the group gives this consumer's partitions to others
    #[arg(long, env = "CONSUMER_MAX_POLL_INTERVAL_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(10_000..=86_400_000))]
    pub max_poll_interval_ms: u32,
}

fn parse_gap(text: &str) -> Result<Duration, String> {
    let gap = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 10m, 90s or 1h"))?;
    if (Duration::from_secs(1)..=Duration::from_hours(366 * 24)).contains(&gap) && gap.subsec_micros() == 0 {
        Ok(gap)
    } else {
        Err("it is from 1s to 366d, in whole seconds".into())
    }
}

/// A batch that PostgreSQL has not taken for so long is stuck: in a flood it takes a second or two.
const STUCK: Duration = Duration::from_secs(30);

/// Whether a consumer does its work at the moment, and if not, why; clones share it.
#[derive(Clone, Debug)]
pub struct Working(Arc<Mutex<Status>>);

#[derive(Debug)]
struct Status {
    trouble: Option<Trouble>,
    /// Since when PostgreSQL has been at a batch.
    storing_since: Option<Instant>,
}

impl Default for Working {
    /// Of a consumer that has not begun.
    fn default() -> Self {
        let trouble = Trouble::new("it starts", "wait a moment; if it lasts, its log says what it waits for");
        Self(Arc::new(Mutex::new(Status { trouble: Some(trouble), storing_since: None })))
    }
}

impl Working {
    /// Fine once the consumer knows from where to read the partitions it was given, and while what
    /// it writes is stored; else what keeps it, and what to do.
    pub fn get(&self) -> Result<(), Trouble> {
        let status = self.status();
        match (&status.trouble, status.storing_since.map(|since| since.elapsed())) {
            (Some(trouble), _) => Err(trouble.clone()),
            (None, Some(time)) if time > STUCK => Err(Trouble::new(
                format!("PostgreSQL has been at one batch for {} s", time.as_secs()),
                "see what it waits for: select pid, state, wait_event_type, query from pg_stat_activity",
            )),
            (None, _) => Ok(()),
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, working: Result<(), Trouble>) {
        self.status().trouble = working.err();
    }

    /// The sink has begun with something, or is done with it.
    fn set_storing(&self, storing: bool) {
        self.status().storing_since = storing.then(Instant::now);
    }
}

/// What is wrong, by an error of PostgreSQL.
fn trouble(error: &sqlx::Error) -> Trouble {
    let (detail, remedy) = migrations::explain(error);
    Trouble::new(detail, remedy)
}

/// Stores the topic until `token` is cancelled; then writes what it has gathered and leaves the group.
///
/// Applies the migrations and makes the topic first, waiting for as long as either server is away.
/// Fails when the zone is unknown, the schema is newer than this binary, or a stored offset is not
/// in the log any more; the error says what to do.
pub async fn run(config: Config, working: Working, token: CancellationToken) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(3)).connect_lazy_with(
        // what is asked for are some of very many rows, by their keys
        config.database.options("shopwindow consumer")?.options([("enable_seqscan", "off")]),
    );
    let prepared = async {
        patiently("PostgreSQL", &working, || async {
            migrations::apply(&pool).await?;
            fold::set_timezone(&pool, &config.shop_timezone).await?;
            fold::set_session_gap(&pool, config.session_gap).await
        })
        .await?;
        patiently("Kafka", &working, || config.kafka.ensure_topic()).await
    };
    match token.run_until_cancelled(prepared).await {
        Some(result) => result?,
        None => return Ok(()),
    }

    let (to_sink, commands) = mpsc::channel(2);
    let (outcomes, from_sink) = std::sync::mpsc::channel();
    let (spent, spent_batches) = std::sync::mpsc::channel();
    // the source ends first, then the sink for want of commands, then the folding
    let folding = tokio::spawn(fold::keep_folding(pool.clone(), token.clone()));
    let sink = Sink::new(pool, config.kafka.topic.clone(), working.clone());
    let sink = tokio::spawn(sink.run(commands, outcomes, spent, token.clone()));
    let source = tokio::task::spawn_blocking({
        let (token, working) = (token.clone(), working.clone());
        move || source::run(&config, &token, to_sink, from_sink, spent_batches, working)
    });
    let result = source.await.context("the consumer's thread")?;
    working.set(Err(Trouble::new("it has ended", "start it again; the log says why it ended")));
    // a source that failed must not leave the others running
    token.cancel();
    let abort = sink.abort_handle();
    if tokio::time::timeout(Duration::from_secs(1), sink).await.is_err() {
        // PostgreSQL hangs in the middle of a batch, which will be read again
        abort.abort();
    }
    folding.await.context("the folding of counts")?;
    result
}

/// Tries until it succeeds, with back-off, saying so when it begins to wait and when it ends.
/// Fails at once when waiting cannot help.
async fn patiently<F: Future<Output = anyhow::Result<()>>>(
    server: &str,
    working: &Working,
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(200);
    let mut waiting = false;
    loop {
        match attempt().await {
            Ok(()) => {
                if waiting {
                    info!("{server} is back");
                }
                return Ok(());
            }
            Err(error) if is_passing(&error) => {
                warn!(
                    error = format!("{error:#}"),
                    retry_ms = pause.as_millis() as u64,
                    "{server} is away, trying again"
                );
                let sql = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
                working.set(Err(sql.map_or_else(
                    || Trouble::new(format!("{error:#}"), format!("see that {server} runs; it goes on by itself")),
                    trouble,
                )));
                waiting = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether the error is of a server that is away, starting, stopping or overloaded.
fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<sqlx::Error>().is_some_and(migrations::is_passing)
            || cause.is::<rdkafka::error::KafkaError>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_works_unless_it_says_why_not_or_a_batch_is_stuck() {
        let working = Working::default();
        assert!(working.get().is_err(), "it has not begun");
        working.set(Ok(()));
        assert_eq!(working.get(), Ok(()));
        working.set(Err(trouble(&sqlx::Error::PoolTimedOut)));
        assert!(working.get().unwrap_err().remedy.contains("DATABASE_URL"));

        working.set(Ok(()));
        working.set_storing(true);
        assert_eq!(working.get(), Ok(()), "a batch takes its time");
        working.status().storing_since = Instant::now().checked_sub(STUCK * 2);
        assert!(working.get().unwrap_err().detail.contains("one batch for 60 s"));
        working.set_storing(false);
        assert_eq!(working.get(), Ok(()));
    }
}
