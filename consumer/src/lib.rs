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
mod rows;
mod sink;
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use events::Kafka;
use migrations::Database;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

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

    /// Messages in a batch at the most
    #[arg(long, env = "CONSUMER_BATCH_ROWS", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch_rows: u32,

    /// Milliseconds that the first message of a batch waits for company
    #[arg(long, env = "CONSUMER_LINGER_MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub linger_ms: u64,

    /// Milliseconds without a sign of life after which the group gives this consumer's partitions to others
    #[arg(long, env = "CONSUMER_MAX_POLL_INTERVAL_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(10_000..=86_400_000))]
    pub max_poll_interval_ms: u32,
}

/// Whether a consumer does its work at the moment; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Working(Arc<AtomicBool>);

impl Working {
    /// True once the consumer knows from where to read the partitions it was given, and while what
    /// it writes is stored.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, working: bool) {
        self.0.store(working, Ordering::Relaxed);
    }
}

/// Stores the topic until `token` is cancelled; then writes what it has gathered and leaves the group.
///
/// Applies the migrations and makes the topic first, waiting for as long as either server is away.
/// Fails when the zone is unknown, the schema is newer than this binary, or a stored offset is not
/// in the log any more; the error says what to do.
pub async fn run(config: Config, working: Working, token: CancellationToken) -> anyhow::Result<()> {
    let pool = config.database.pool("shopwindow consumer", 4, Duration::from_secs(3))?;
    let prepared = async {
        patiently("PostgreSQL", || async {
            migrations::apply(&pool).await?;
            sink::set_timezone(&pool, &config.shop_timezone).await
        })
        .await?;
        patiently("Kafka", || config.kafka.ensure_topic()).await
    };
    match token.run_until_cancelled(prepared).await {
        Some(result) => result?,
        None => return Ok(()),
    }

    let (to_sink, commands) = mpsc::channel(2);
    let (outcomes, from_sink) = std::sync::mpsc::channel();
    // the source ends first, then the sink for want of commands, then the folding
    let folding = tokio::spawn(sink::keep_folding(pool.clone(), token.clone()));
    let sink = Sink::new(pool, config.kafka.topic.clone(), working.clone());
    let sink = tokio::spawn(sink.run(commands, outcomes, token.clone()));
    let source = tokio::task::spawn_blocking({
        let (token, working) = (token.clone(), working.clone());
        move || source::run(&config, &token, to_sink, from_sink, working)
    });
    let result = source.await.context("the consumer's thread")?;
    working.set(false);
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
