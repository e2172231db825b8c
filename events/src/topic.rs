//! What the cluster says of the topic; or what is wrong with them, and what to do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::Kafka;

/// Something that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, and where.
    pub detail: String,
    /// What to do; a command to run where there is one.
    pub remedy: String,
}

impl Trouble {
    /// From the two sentences.
    pub fn new(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { detail: detail.into(), remedy: remedy.into() }
    }
}

/// The log of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The cluster it is on.
    pub cluster_id: String,
    /// What each partition holds.
    pub partitions: BTreeMap<i32, Held>,
}

/// The offsets of a partition: it holds `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The oldest message's.
    pub first: i64,
    /// The next message's.
    pub end: i64,
    /// The first that is younger than what was asked for, `end` when there is none.
    pub young: i64,
}

impl Kafka {
    /// Asks the cluster what the topic's partitions hold, and which of it is younger than `young`.
    /// Blocks for about `patience` at most.
    pub fn log(&self, young: Duration, patience: Duration) -> Result<Log, Trouble> {
        let deadline = Instant::now() + patience;
        let asker: BaseConsumer<Reasons> = self.client().create_with_context(Reasons::default()).map_err(|error| {
            Trouble::new(
                format!("the settings of the Kafka client are unusable: {error}"),
                "set KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_* to what the cluster asks for",
            )
        })?;
        let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        let metadata = metadata(asker.client(), &self.topic, left()).map_err(|reason| {
            // what the client ran into says more than that it waited in vain
            self.away(&Reasons::newest(&asker).unwrap_or(reason))
        })?;
        let partitions = self.led_partitions(&metadata)?;
        let cluster_id = asker.client().fetch_cluster_id(left()).ok_or_else(|| self.away("it does not say its id"))?;
        let offsets = |at: Offset| -> Result<BTreeMap<i32, Offset>, Trouble> {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for &partition in &partitions {
                // fails for offsets below zero alone
                let _ = list.add_partition_offset(&self.topic, partition, at);
            }
            let found = asker.offsets_for_times(list, left()).map_err(|error| self.away(&error.to_string()))?;
            let elements = found.elements();
            elements
                .iter()
                .map(|element| match element.error() {
                    Ok(()) => Ok((element.partition(), element.offset())),
                    Err(error) => Err(self.leaderless(&[element.partition()], &error.to_string())),
                })
                .collect()
        };
        // where a time is expected, the two ends stand for themselves
        let firsts = offsets(Offset::Beginning)?;
        let then = Utc::now().timestamp_millis().saturating_sub(young.as_millis() as i64);
        let youngs = offsets(Offset::Offset(then))?;
        // last, so that nothing else lies past it
        let ends = offsets(Offset::End)?;
        let number = |offsets: &BTreeMap<i32, Offset>, partition: &i32| match offsets.get(partition) {
            Some(&Offset::Offset(offset)) => Some(offset),
            _ => None,
        };
        let partitions = partitions
            .iter()
            .map(|partition| {
                let end = number(&ends, partition).unwrap_or(0);
                let first = number(&firsts, partition).unwrap_or(0);
                (*partition, Held { first, end, young: number(&youngs, partition).unwrap_or(end) })
            })
            .collect();
        Ok(Log { cluster_id, partitions })
    }

    /// The topic's partitions, as `client` learns them within `patience`; fails unless the cluster
    /// answers, the topic is there, and each of its partitions has a leader. Blocks.
    pub fn partitions<C: ClientContext>(&self, client: &Client<C>, patience: Duration) -> Result<Vec<i32>, Trouble> {
        let metadata = metadata(client, &self.topic, patience).map_err(|reason| self.away(&reason))?;
        self.led_partitions(&metadata)
    }

    fn led_partitions(&self, metadata: &Metadata) -> Result<Vec<i32>, Trouble> {
        let Some(topic) = metadata.topics().first() else { return Err(self.topicless("the cluster does not know it")) };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => return Err(self.topicless("it is not there")),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                return Err(Trouble::new(
                    format!("topic {:?} at {}: this user may not read it", self.topic, self.brokers),
                    "let KAFKA_SASL_USERNAME describe and read the topic, or name another user",
                ));
            }
            Some(code) => return Err(self.topicless(&code.to_string())),
        }
        let leaderless: Vec<i32> =
            topic.partitions().iter().filter(|partition| partition.leader() < 0).map(|p| p.id()).collect();
        if !leaderless.is_empty() {
            return Err(self.leaderless(&leaderless, "no leader"));
        }
        Ok(topic.partitions().iter().map(|partition| partition.id()).collect())
    }

    fn away(&self, reason: &str) -> Trouble {
        let remedy = if reason.to_lowercase().contains("authentication") {
            "set KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD to what the cluster knows".to_owned()
        } else {
            "start Kafka there (`shopwindow demo` or `shopwindow services` bring their own), or set KAFKA_BROKERS to \
             where it runs"
                .to_owned()
        };
        Trouble { detail: format!("Kafka at {} does not answer: {reason}", self.brokers), remedy }
    }

    fn topicless(&self, reason: &str) -> Trouble {
        Trouble::new(
            format!("Kafka at {} answers, but topic {:?}: {reason}", self.brokers, self.topic),
            "start the consumer or the storefront, which make it, or set KAFKA_TOPIC to the right one",
        )
    }

    fn leaderless(&self, partitions: &[i32], reason: &str) -> Trouble {
        let partitions = partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Trouble::new(
            format!("topic {:?} at {}: partition {partitions}: {reason}", self.topic, self.brokers),
            "start the broker that holds it; if that runs, its log says why its directory is offline: a full disk?",
        )
    }
}

fn metadata<C: ClientContext>(client: &Client<C>, topic: &str, patience: Duration) -> Result<Metadata, String> {
    client.fetch_metadata(Some(topic), patience).map_err(|error| match error {
        KafkaError::MetadataFetch(code) => code.to_string(),
        error => error.to_string(),
    })
}

/// Keeps what the client runs into, instead of logging it.
#[derive(Default)]
struct Reasons {
    newest: Mutex<Option<String>>,
}

impl Reasons {
    fn newest(asker: &BaseConsumer<Self>) -> Option<String> {
        // errors arrive while polling
        while asker.poll(Duration::from_millis(20)).is_some() {}
        asker.context().newest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Reasons {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // this one comes last, and tells the least
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        // "…: Connection refused (after 0ms in state CONNECT)"
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Reasons {}
