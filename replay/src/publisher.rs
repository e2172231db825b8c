//! To Kafka, as fast as it takes: what was acknowledged, and what must be sent again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use events::Kafka;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tracing::debug;

use crate::pace::Ends;

/// Without any acknowledgement for so long, Kafka is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends events to the topic. Nothing is forgotten: what is not acknowledged in time is sent again.
pub struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
    kafka: Kafka,
    sent: u64,
    /// Messages since the last [`Publisher::mark`].
    since_mark: u64,
    marks: usize,
    /// The number of acknowledged messages when it last grew, or when none were missing, and when.
    heard: (u64, Instant),
}

/// What became of the messages sent; may be read from other threads.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<Delivered>>);

/// A place in the file: what is before it, its own line included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mark {
    pub(crate) line: u64,
    pub(crate) rows: u64,
    pub(crate) published: u64,
}

#[derive(Default)]
struct Delivered {
    acknowledged: u64,
    /// Marks that are not reached yet, with the number of messages between the one before and it.
    marks: VecDeque<(Mark, u64)>,
    /// The messages that are acknowledged, by the mark that comes after them; the first is of the first of
    /// `marks`.
    between: VecDeque<u64>,
    /// How many marks have been reached.
    reached: usize,
    ends: Ends,
    /// Messages that were not acknowledged in time: the marks before each, its key and its value.
    failed: Vec<(usize, Vec<u8>, Vec<u8>)>,
    sent_again: u64,
    /// The first error that sending again would not mend.
    hopeless: Option<String>,
    /// The last error of any kind, to be told when patience ends.
    last_error: Option<String>,
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, Delivered> {
        // every change is a plain assignment, so a panic elsewhere leaves nothing half done
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages are acknowledged, and for each partition the offset after the last of them.
    pub fn acknowledged(&self) -> (u64, Ends) {
        let delivered = self.lock();
        (delivered.acknowledged, delivered.ends.clone())
    }

    /// The last mark before which every message is acknowledged, if it was not told before, and the ends by
    /// which all of these are stored.
    pub(crate) fn reached(&self) -> Option<(Mark, Ends)> {
        let mut delivered = self.lock();
        let mut last = None;
        while let Some(&(mark, messages)) = delivered.marks.front()
            && delivered.between.front().copied().unwrap_or_default() == messages
        {
            delivered.marks.pop_front();
            delivered.between.pop_front();
            delivered.reached += 1;
            last = Some(mark);
        }
        last.map(|mark| (mark, delivered.ends.clone()))
    }

    /// How many were sent again because no acknowledgement came, so that they may be on the log twice.
    pub fn sent_again(&self) -> u64 {
        self.lock().sent_again
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "kafka client");
        self.lock().last_error = Some(format!("{error}: {reason}"));
    }
}

impl ProducerContext for Deliveries {
    /// The number of marks before the message.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, marks: usize) {
        let mut delivered = self.lock();
        match result {
            Ok(message) => {
                delivered.acknowledged += 1;
                // each message is acknowledged once, so its mark is not reached yet
                let place = marks.saturating_sub(delivered.reached);
                if delivered.between.len() <= place {
                    delivered.between.resize(place + 1, 0);
                }
                delivered.between[place] += 1;
                let end = delivered.ends.entry(message.partition()).or_default();
                *end = (*end).max(message.offset() + 1);
            }
            // the client has tried for message.timeout.ms
            Err((error, message)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) => {
                delivered.last_error = Some(error.to_string());
                let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
                delivered.failed.push((marks, key.to_vec(), value.to_vec()));
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight), _)) => {
            }
            Err((error, _)) => {
                delivered.hopeless.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

impl Publisher {
    /// Connects to Kafka in the background; nothing is sent yet.
    pub fn new(kafka: &Kafka) -> anyhow::Result<Self> {
        let deliveries = Deliveries::default();
        let mut config = kafka.producer();
        config
            // full batches matter more than a message's own delay (default: 5 ms)
            .set("linger.ms", "20")
            // bounds the memory of what is sent and not acknowledged (default: 1 GB)
            .set("queue.buffering.max.kbytes", "32768")
            // the first limit to bind: a quarter of a second of publishing (default: 100,000)
            .set("queue.buffering.max.messages", "40000")
            // then we send it again ourselves, and can say so (default: 300 s)
            .set("message.timeout.ms", "30000");
        let producer = config.create_with_context(deliveries.clone()).context("configure the Kafka producer")?;
        Ok(Self {
            producer,
            deliveries,
            kafka: kafka.clone(),
            sent: 0,
            since_mark: 0,
            marks: 0,
            heard: (0, Instant::now()),
        })
    }

    /// What became of the messages, to be watched from elsewhere.
    pub fn deliveries(&self) -> Deliveries {
        self.deliveries.clone()
    }

    /// The identity of the cluster. Waits for at most 10 s.
    pub fn cluster_id(&self) -> anyhow::Result<String> {
        let id = self.producer.client().fetch_cluster_id(Duration::from_secs(10));
        id.with_context(|| format!("Kafka at {} does not say its cluster id within 10 s", self.kafka.brokers))
    }

    /// Messages handed over, each counted once however often it was sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Hands one message over, or returns false when Kafka has to take others first: wait a moment,
    /// then try again. Fails when Kafka takes no more at all.
    pub fn send(&mut self, key: &[u8], value: &[u8]) -> anyhow::Result<bool> {
        let taken = self.hand_over(self.marks, key, value)?;
        self.sent += u64::from(taken);
        self.since_mark += u64::from(taken);
        Ok(taken)
    }

    /// Remembers a place in the file, behind the row whose message was handed over last.
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.deliveries.lock().marks.push_back((mark, self.since_mark));
        self.marks += 1;
        self.since_mark = 0;
    }

    /// Whether every message is acknowledged. Sends again what failed.
    ///
    /// Call it now and then, and while waiting: fails when a message was refused, or when there was
    /// no acknowledgement for two minutes.
    pub fn settle(&mut self) -> anyhow::Result<bool> {
        let (acknowledged, failed) = {
            let mut delivered = self.deliveries.lock();
            if let Some(error) = &delivered.hopeless {
                bail!("Kafka at {} refused a message for topic {:?}: {error}", self.kafka.brokers, self.kafka.topic);
            }
            (delivered.acknowledged, std::mem::take(&mut delivered.failed))
        };
        let mut unsent = failed.into_iter();
        for (marks, key, value) in unsent.by_ref() {
            if !self.hand_over(marks, &key, &value)? {
                let mut delivered = self.deliveries.lock();
                delivered.failed.push((marks, key, value));
                delivered.failed.extend(unsent);
                break;
            }
            self.deliveries.lock().sent_again += 1;
        }
        let now = Instant::now();
        if acknowledged == self.sent || acknowledged != self.heard.0 {
            self.heard = (acknowledged, now);
        } else if now - self.heard.1 > PATIENCE {
            let delivered = self.deliveries.lock();
            bail!(
                "Kafka at {} has acknowledged nothing for {} s{}",
                self.kafka.brokers,
                PATIENCE.as_secs(),
                delivered.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default()
            );
        }
        Ok(acknowledged == self.sent)
    }

    fn hand_over(&self, marks: usize, key: &[u8], value: &[u8]) -> anyhow::Result<bool> {
        let record = BaseRecord::with_opaque_to(&self.kafka.topic, marks).key(key).payload(value);
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
            Err((error, _)) => {
                let fatal = self.producer.client().fatal_error().map(|(_, reason)| format!(": {reason}"));
                bail!("Kafka at {} takes no more messages: {error}{}", self.kafka.brokers, fatal.unwrap_or_default())
            }
        }
    }
}
