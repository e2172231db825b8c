//! Kafka's half of the consumer: polls, decodes and gathers batches, on a thread of its own.
//!
//! The thread never waits for PostgreSQL without polling for long, so the group never takes it for
//! dead. What PostgreSQL has to say arrives as [`Outcome`]s.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chrono::DateTime;
use events::{Event, Rejection, Trouble};
use hashbrown::HashSet;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::batch::{Batch, Place};
use crate::sink::{Command, Outcome};
use crate::{Config, Working};

/// Messages that are taken at most before looking whether there is something else to do.
const TAKEN_AT_ONCE: usize = 500;

/// How long one poll waits for a message when there is nothing else to do.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// How long the thread waits for PostgreSQL with a full batch before it pauses its partitions and
/// polls on. Pausing throws fetched messages away, so it is for when PostgreSQL is away or stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one question to Kafka may take.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last batch may take to be written when the consumer is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Polls until `token` is cancelled, then has the last batch written and leaves the group.
/// Fails when a stored offset is not in the log, or the sink has ended.
pub(crate) fn run(
    config: &Config,
    token: &CancellationToken,
    commands: Sender<Command>,
    outcomes: Receiver<Outcome>,
    spent: Receiver<Box<Batch>>,
    working: Working,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer<Rebalances> = config
        .kafka
        .consumer(&config.group)
        .set("max.poll.interval.ms", config.max_poll_interval_ms.to_string())
        .create_with_context(Rebalances::default())
        .context("configure the Kafka consumer")?;
    consumer.subscribe(&[&config.kafka.topic]).context("subscribe to the topic")?;
    let cluster_id = loop {
        if token.is_cancelled() {
            return Ok(());
        }
        match consumer.client().fetch_cluster_id(KAFKA_TIMEOUT) {
            Some(id) => break id,
            None => warn!(brokers = config.kafka.brokers, "kafka does not say its cluster id yet, asking again"),
        }
    };
    info!(topic = config.kafka.topic, group = config.group, cluster_id, "consuming");
    let mut source = Source {
        config,
        consumer,
        cluster_id,
        commands,
        outcomes,
        spent,
        partitions: HashMap::new(),
        unpositioned: false,
        position_at: Instant::now(),
        batch: Box::default(),
        batch_began: Instant::now(),
        asked: None,
        refused: HashMap::new(),
        deleted: HashSet::new(),
        working,
    };
    while !token.is_cancelled() {
        source.turn()?;
    }
    source.stop();
    Ok(())
}

/// Records what the group assigns; the thread acts on it after the poll.
#[derive(Default)]
struct Rebalances {
    assignments: Mutex<Vec<Vec<i32>>>,
}

impl Rebalances {
    fn record(&self, partitions: Vec<i32>) {
        self.assignments.lock().unwrap_or_else(PoisonError::into_inner).push(partitions);
    }

    /// The newest assignment since the last call.
    fn take(&self) -> Option<Vec<i32>> {
        self.assignments.lock().unwrap_or_else(PoisonError::into_inner).drain(..).next_back()
    }

    /// Whether there is an assignment to take.
    fn is_new(&self) -> bool {
        !self.assignments.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    /// Takes an assignment over paused: where to read from is PostgreSQL's to say, and the group
    /// must not wait for PostgreSQL.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let assigned = partitions.elements();
            for mut element in partitions.elements() {
                // any offset that needs no question to the broker; the seek comes before the first message
                let _ = element.set_offset(Offset::Offset(0));
            }
            self.record(assigned.iter().map(|element| element.partition()).collect());
            consumer.assign(partitions).and_then(|()| consumer.pause(partitions))
        } else {
            self.record(Vec::new());
            consumer.unassign()
        };
        if let Err(error) = done {
            warn!(%error, "cannot take over or give up partitions");
        }
    }
}

/// What the sink has been asked and has not answered yet.
enum Asked {
    /// For the positions of the assignment; false once the assignment has changed since.
    Position { current: bool },
    /// To store a batch.
    Store,
}

struct Source<'c> {
    config: &'c Config,
    consumer: BaseConsumer<Rebalances>,
    cluster_id: String,
    commands: Sender<Command>,
    outcomes: Receiver<Outcome>,
    /// Batches that the sink is done with, empty.
    spent: Receiver<Box<Batch>>,
    /// The assigned partitions, and the next offset to take from each; none while it is unknown.
    partitions: HashMap<i32, Option<i64>>,
    /// Whether the positions must be asked for, from `position_at` on.
    unpositioned: bool,
    position_at: Instant,
    batch: Box<Batch>,
    batch_began: Instant,
    asked: Option<Asked>,
    /// Messages that PostgreSQL refuses, and why.
    refused: HashMap<Place, String>,
    /// Imports of which nothing may be stored, as far as they have been met.
    deleted: HashSet<Uuid>,
    working: Working,
}

impl Source<'_> {
    /// One turn: what has been answered, what has been assigned, what is due, one message or more.
    fn turn(&mut self) -> anyhow::Result<()> {
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.take_outcome(outcome)?;
        }
        if let Some(assigned) = self.consumer.context().take() {
            self.take_assignment(assigned);
        }
        if self.asked.is_none() {
            if self.unpositioned && Instant::now() >= self.position_at {
                self.ask_positions()?;
            } else if self.is_due() {
                self.send_batch()?;
            }
        }
        if self.batch.is_full(self.config.batch_rows as usize) { self.wait_with_full_batch() } else { self.poll() }
    }

    fn linger(&self) -> Duration {
        Duration::from_millis(self.config.linger_ms)
    }

    fn is_due(&self) -> bool {
        !self.batch.is_empty()
            && (self.batch_began.elapsed() >= self.linger() || self.batch.is_full(self.config.batch_rows as usize))
    }

    /// Takes messages until there are none, the batch is full, or the sink could take it.
    fn poll(&mut self) -> anyhow::Result<()> {
        let timeout = match (&self.asked, self.batch.is_empty()) {
            (None, true) => IDLE_POLL,
            (None, false) => self.linger().saturating_sub(self.batch_began.elapsed()),
            // an answer may come at any moment
            (Some(_), _) => Duration::from_millis(2),
        };
        for taken in 0..TAKEN_AT_ONCE {
            // what a poll returns is to be taken: it does not come again
            match self.consumer.poll(if taken == 0 { timeout } else { Duration::ZERO }) {
                None => break,
                Some(Ok(message)) => take_message(
                    &mut self.batch,
                    &mut self.batch_began,
                    &mut self.partitions,
                    &self.refused,
                    &self.deleted,
                    &self.config.kafka.topic,
                    &message,
                ),
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    // the log lost what was not read yet: asking for positions tells which partition
                    self.restart();
                    self.position_at = Instant::now() + Duration::from_secs(1);
                    break;
                }
                Some(Err(error)) => debug!(%error, "kafka is in trouble; the client tries again by itself"),
            }
            if self.batch.is_full(self.config.batch_rows as usize) || self.consumer.context().is_new() {
                break;
            }
        }
        Ok(())
    }

    /// With a full batch, waits for the sink rather than for messages.
    fn wait_with_full_batch(&mut self) -> anyhow::Result<()> {
        match self.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => self.take_outcome(outcome),
            Err(RecvTimeoutError::Disconnected) => bail!("the consumer's sink has ended"),
            Err(RecvTimeoutError::Timeout) => self.poll_paused_until_answered(),
        }
    }

    /// Keeps the membership of the group alive, without taking messages, until the sink answers.
    fn poll_paused_until_answered(&mut self) -> anyhow::Result<()> {
        warn!("PostgreSQL is slow or away: reading is paused until it has taken what is gathered");
        let assignment = self.topic_partitions(|_, _| Offset::Invalid)?;
        self.consumer.pause(&assignment).context("pause partitions")?;
        let outcome = loop {
            match self.outcomes.recv_timeout(IDLE_POLL) {
                Ok(outcome) => break Some(outcome),
                Err(RecvTimeoutError::Disconnected) => bail!("the consumer's sink has ended"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
                debug!(%error, "kafka is in trouble; the client tries again by itself");
            }
            if let Some(assigned) = self.consumer.context().take() {
                // the new assignment has come paused, and the batch is void
                self.take_assignment(assigned);
                break None;
            }
        };
        match outcome {
            None => Ok(()),
            Some(outcome) => {
                // a pause loses what was fetched, so read again from what the batch holds
                self.take_outcome(outcome)?;
                self.seek_and_resume()
            }
        }
    }

    fn take_outcome(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        let asked = self.asked.take();
        self.working.set_storing(false);
        match outcome {
            Outcome::Positioned(positions) => {
                if matches!(asked, Some(Asked::Position { current: true })) {
                    self.take_positions(&positions)?;
                }
            }
            Outcome::Stored(positions) => self.tell_kafka(&positions),
            Outcome::Fenced => self.restart(),
            Outcome::Refused(place, reason) => {
                warn!(
                    place.partition,
                    place.offset, reason, "a message is refused by the database and will be kept as rejected"
                );
                self.refused.insert(place, reason);
                self.restart();
            }
            Outcome::Deleted(imports) => {
                info!(?imports, "what comes of these imports is dropped: they have been deleted");
                self.deleted.extend(imports);
                // read again: what repeats a message of theirs is the first of its kind then
                self.restart();
            }
            Outcome::GivenUp => self.restart(),
        }
        Ok(())
    }

    fn take_assignment(&mut self, assigned: Vec<i32>) {
        info!(partitions = ?assigned, "partitions assigned");
        self.partitions = assigned.into_iter().map(|partition| (partition, None)).collect();
        if let Some(Asked::Position { current }) = &mut self.asked {
            *current = false;
        }
        self.restart();
    }

    /// Forgets what is gathered and asks PostgreSQL where to read on.
    fn restart(&mut self) {
        self.batch.clear();
        for position in self.partitions.values_mut() {
            *position = None;
        }
        self.unpositioned = !self.partitions.is_empty();
        // with more consumers than partitions some have nothing to do
        self.working.set(if self.unpositioned {
            let remedy = "wait a moment; if it lasts, its log says what it waits for";
            Err(Trouble::new("it asks from where to read its partitions", remedy))
        } else {
            Ok(())
        });
        self.position_at = Instant::now();
    }

    fn ask_positions(&mut self) -> anyhow::Result<()> {
        let mut partitions = Vec::new();
        for &partition in self.partitions.keys() {
            match self.consumer.fetch_watermarks(&self.config.kafka.topic, partition, KAFKA_TIMEOUT) {
                Ok((low, _)) => partitions.push((partition, low)),
                Err(error) => {
                    warn!(%error, partition, "kafka does not say where the partition begins, asking again");
                    self.position_at = Instant::now() + Duration::from_secs(1);
                    return Ok(());
                }
            }
        }
        let command = Command::Position { cluster_id: self.cluster_id.clone(), partitions };
        self.ask(Asked::Position { current: true }, command)?;
        self.unpositioned = false;
        Ok(())
    }

    fn take_positions(&mut self, positions: &[(i32, i64)]) -> anyhow::Result<()> {
        let topic = &self.config.kafka.topic;
        for &(partition, next) in positions {
            let (low, high) = match self.consumer.fetch_watermarks(topic, partition, KAFKA_TIMEOUT) {
                Ok(watermarks) => watermarks,
                Err(error) => {
                    warn!(%error, partition, "kafka does not say where the partition ends, asking again");
                    self.restart();
                    self.position_at = Instant::now() + Duration::from_secs(1);
                    return Ok(());
                }
            };
            ensure!(
                (low..=high).contains(&next),
                "the next message to store is offset {next} of partition {partition} of topic {topic:?}, but the log holds \
                 {low} to {high}: the topic was made anew, or lost messages before they were stored. To read what it \
                 holds now from its beginning (events stored already are recognised by their ids), run: \
                 delete from consumer_offsets where cluster_id = '{}' and topic = '{topic}'",
                self.cluster_id
            );
            self.partitions.insert(partition, Some(next));
        }
        debug!(?positions, "reading on from what is stored");
        self.seek_and_resume()
    }

    /// Reads on from the known positions.
    fn seek_and_resume(&mut self) -> anyhow::Result<()> {
        if self.partitions.values().any(Option::is_none) || self.partitions.is_empty() {
            return Ok(());
        }
        let positions = self.topic_partitions(|_, next| next.map_or(Offset::Invalid, Offset::Offset))?;
        let sought = self.consumer.seek_partitions(positions, KAFKA_TIMEOUT).and_then(|sought| {
            sought.elements().iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)?;
            self.consumer.resume(&sought)
        });
        match sought {
            Ok(()) => self.working.set(Ok(())),
            Err(error) => {
                warn!(%error, "cannot seek, trying again");
                self.restart();
                self.position_at = Instant::now() + Duration::from_millis(200);
            }
        }
        Ok(())
    }

    fn send_batch(&mut self) -> anyhow::Result<()> {
        let batch = std::mem::replace(&mut self.batch, self.spent.try_recv().unwrap_or_default());
        self.ask(Asked::Store, Command::Store { cluster_id: self.cluster_id.clone(), batch })
    }

    fn ask(&mut self, asked: Asked, command: Command) -> anyhow::Result<()> {
        self.commands.blocking_send(command).ok().context("the consumer's sink has ended")?;
        self.asked = Some(asked);
        self.working.set_storing(true);
        Ok(())
    }

    /// Lets Kafka's lag tools know; nothing depends on it.
    fn tell_kafka(&self, positions: &[(i32, i64)]) {
        for &(partition, next) in positions.iter().filter(|(partition, _)| self.partitions.contains_key(partition)) {
            // the offset of the last message that is stored; the client commits the one after it
            if let Err(error) = self.consumer.store_offset(&self.config.kafka.topic, partition, next - 1) {
                debug!(%error, partition, "cannot tell kafka what is stored");
            }
        }
    }

    /// Has the last batch written and leaves the group.
    fn stop(mut self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if self.asked.is_none() && (self.batch.is_empty() || self.send_batch().is_err()) {
                break;
            }
            match self.outcomes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                // what is not stored will be read again
                Err(_) | Ok(Outcome::GivenUp | Outcome::Fenced | Outcome::Refused(..) | Outcome::Deleted(_)) => break,
                Ok(outcome) => {
                    self.asked = None;
                    if let Outcome::Stored(positions) = outcome {
                        self.tell_kafka(&positions);
                    }
                }
            }
        }
        info!("consumer stopped");
    }

    fn topic_partitions(&self, offset: impl Fn(i32, Option<i64>) -> Offset) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(self.partitions.len());
        for (&partition, &next) in &self.partitions {
            list.add_partition_offset(&self.config.kafka.topic, partition, offset(partition, next))
                .context("list partitions")?;
        }
        Ok(list)
    }
}

/// Adds a message to the batch, unless it is not the partition's turn: a message that was on its way
/// when the partition was sought or taken away.
fn take_message(
    batch: &mut Batch,
    batch_began: &mut Instant,
    partitions: &mut HashMap<i32, Option<i64>>,
    refused: &HashMap<Place, String>,
    deleted: &HashSet<Uuid>,
    topic: &str,
    message: &BorrowedMessage<'_>,
) {
    let place = Place { partition: message.partition(), offset: message.offset() };
    let Some(Some(next)) = partitions.get_mut(&place.partition) else { return };
    if place.offset < *next {
        return;
    }
    if batch.is_empty() {
        *batch_began = Instant::now();
    }
    let payload = message.payload().unwrap_or_default();
    let decoded = if message.payload().is_none() {
        Err(Rejection::new("the message has no value", payload))
    } else if let Some(reason) = refused.get(&place) {
        Err(Rejection::new(reason.as_str(), payload))
    } else {
        let published_at = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
        Event::decode(payload, published_at)
    };
    batch.push(topic, place, *next, payload, decoded, deleted);
    *next = place.offset + 1;
}
