//! What may be wrong with the parts that we are made of, and what to do: for `/readyz` and `shopwindow doctor`.

use std::time::Duration;

use events::{Held, Kafka};
pub use events::{Log, Trouble};
use serde::Serialize;
use sqlx::PgExecutor;

/// A message that waits longer than this to be stored is more than on its way.
pub const LONG: Duration = Duration::from_secs(30);

/// How a part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Ok,
    /// It works, but look at it.
    Warning,
    /// It does not.
    Trouble,
}

/// What was found of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, in a word: `consumer`.
    pub part: String,
    /// How it does.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What to do; none when nothing is to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// A part that works.
    pub fn ok(part: &str, detail: impl Into<String>) -> Self {
        Self { part: part.into(), state: State::Ok, detail: detail.into(), remedy: None }
    }

    /// A part that works, but.
    pub fn warning(part: &str, Trouble { detail, remedy }: Trouble) -> Self {
        Self { part: part.into(), state: State::Warning, detail, remedy: Some(remedy) }
    }

    /// A part that does not work.
    pub fn trouble(part: &str, trouble: Trouble) -> Self {
        Self { state: State::Trouble, ..Self::warning(part, trouble) }
    }
}

/// Asks Kafka for the topic, for about `patience` at most.
pub async fn log(kafka: &Kafka, patience: Duration) -> Result<Log, Trouble> {
    let kafka = kafka.clone();
    let asked = tokio::task::spawn_blocking(move || kafka.log(LONG, patience)).await;
    asked.unwrap_or_else(|error| Err(Trouble::new(format!("asking Kafka broke down: {error}"), "report this")))
}

/// What is wrong, by an error of PostgreSQL.
pub fn explain(error: &sqlx::Error) -> Trouble {
    let (detail, remedy) = migrations::explain(error);
    Trouble::new(detail, remedy)
}

/// How far a partition is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    cluster_id: String,
    partition: i32,
    next_offset: i64,
    moved_lately: bool,
}

/// How far the partitions of a topic are stored, those of other clusters too.
pub async fn stored(database: impl PgExecutor<'_>, topic: &str) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select cluster_id, partition, next_offset, updated_at > now() - $2::float8 * interval '1 s' as "moved_lately!"
           from consumer_offsets
           where topic = $1::text"#,
        topic,
        LONG.as_secs_f64()
    )
    .fetch_all(database)
    .await
}

/// The messages that wait to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many there are.
    pub messages: i64,
    /// Whether one has waited for longer than [`LONG`].
    pub long: bool,
    /// Whether any was stored within [`LONG`].
    pub moved_lately: bool,
}

/// Compares what the topic holds with what is stored of it. Fails when it does not hold what is to be stored next.
pub async fn backlog(kafka: &Kafka, log: &Log, stored: &[Stored], patience: Duration) -> Result<Backlog, Trouble> {
    let is_past_the_end = |(partition, held)| next(log, stored, partition, held) > held.end;
    if log.partitions.iter().any(is_past_the_end) {
        // unless the log was only looked at before what is stored
        return compare(&kafka.topic, &self::log(kafka, patience).await?, stored);
    }
    compare(&kafka.topic, log, stored)
}

fn compare(topic: &str, log: &Log, stored: &[Stored]) -> Result<Backlog, Trouble> {
    let moved_lately = stored.iter().any(|stored| stored.cluster_id == log.cluster_id && stored.moved_lately);
    let mut backlog = Backlog { moved_lately, ..Backlog::default() };
    for (partition, held) in &log.partitions {
        let next = next(log, stored, partition, held);
        if !(held.first..=held.end).contains(&next) {
            return Err(Trouble::new(
                format!(
                    "the next message to store is offset {next} of partition {partition} of topic {topic:?}, but the \
                     log holds {} to {}: the topic was made anew, or lost messages before they were stored",
                    held.first, held.end
                ),
                format!(
                    "to read what it holds now from its beginning, stop the consumer, run in psql: delete from \
                     consumer_offsets where cluster_id = '{}' and topic = '{topic}'; and start it again",
                    log.cluster_id
                ),
            ));
        }
        backlog.messages += held.end - next;
        backlog.long |= next < held.young;
    }
    Ok(backlog)
}

/// The sum of the next offsets to store, which grows while messages are stored.
pub fn position(log: &Log, stored: &[Stored]) -> i64 {
    log.partitions.iter().map(|(partition, held)| next(log, stored, partition, held)).sum()
}

/// The offset of the next message of a partition to store.
pub(crate) fn next(log: &Log, stored: &[Stored], partition: &i32, held: &Held) -> i64 {
    let ours = stored.iter().find(|stored| stored.cluster_id == log.cluster_id && stored.partition == *partition);
    // one that was never read is read from its beginning
    ours.map_or(held.first, |stored| stored.next_offset)
}
