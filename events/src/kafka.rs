//! The event as a Kafka record: where it goes, and the settings of those who send and read it.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

/// Partitions of a topic that we create: the most consumers that can share it.
pub const PARTITIONS: i32 = 6;

/// The cluster and topic that events travel through.
#[derive(Clone, clap::Args)]
pub struct Kafka {
    /// Kafka brokers, host:port, separated by commas
    #[arg(long = "kafka-brokers", env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    pub brokers: String,

    /// Topic of the events; created when it is not there
    #[arg(long = "kafka-topic", env = "KAFKA_TOPIC", default_value = "ecommerce")]
    pub topic: String,

    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`
    #[arg(long = "kafka-security-protocol", env = "KAFKA_SECURITY_PROTOCOL")]
    pub security_protocol: Option<String>,

    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`
    #[arg(long = "kafka-sasl-mechanism", env = "KAFKA_SASL_MECHANISM")]
    pub sasl_mechanism: Option<String>,

    /// User for SASL
    #[arg(long = "kafka-sasl-username", env = "KAFKA_SASL_USERNAME")]
    pub sasl_username: Option<String>,

    /// Password for SASL
    #[arg(long = "kafka-sasl-password", env = "KAFKA_SASL_PASSWORD", hide_env_values = true)]
    pub sasl_password: Option<String>,
}

impl fmt::Debug for Kafka {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("brokers", &self.brokers).field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Kafka {
    /// A topic on a cluster that asks for no credentials.
    pub fn plain(brokers: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: topic.into(),
            security_protocol: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
        }
    }

    /// Settings that every client needs: the address and the credentials.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "shopwindow");
        for (name, value) in [
            ("security.protocol", &self.security_protocol),
            ("sasl.mechanism", &self.sasl_mechanism),
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
        ] {
            if let Some(value) = value {
                config.set(name, value);
            }
        }
        // a broker that comes back is found within a second (default: up to 10 s)
        config.set("reconnect.backoff.max.ms", "1000");
        config
    }

    /// Settings of a producer: what is acknowledged is on the log once and in order.
    pub fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // a retry inside the client makes no second copy, and keeps the order (default: false)
            .set("enable.idempotence", "true")
            // all in-sync replicas (already the default; idempotence needs it, so it is said)
            .set("acks", "all")
            // the JSON of neighbouring events is much alike (default: none)
            .set("compression.type", "lz4")
            // Java's partitioner, so that a record of any client lands on the same partition of a key
            // (default: consistent_random)
            .set("partitioner", "murmur2_random");
        config
    }

    /// Settings of the consumer: it keeps its offsets in PostgreSQL, and seeks to them.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            // the client commits, now and then, what it is told that PostgreSQL holds, for lag tools
            // (default: true, whatever was polled)
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", "1000")
            // an offset that is not in the log any more is a loud stop, never a silent jump
            // (default: largest)
            .set("auto.offset.reset", "error")
            // a consumer killed with -9 gives its partitions up after 6 s (default: 45 s)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "2000")
            // go on fetching at once when the local queue has room again (default: 1 s; caps a
            // consumer that catches up at half of what it can do)
            .set("fetch.queue.backoff.ms", "10")
            // bounds the memory of prefetched messages, for each partition (default: 64 MB)
            .set("queued.max.messages.kbytes", "4096")
            // the broker answers a fetch as soon as there is anything, at the latest after this
            // (default: 500 ms; only delays noticing that a partition has nothing)
            .set("fetch.wait.max.ms", "100");
        config
    }

    /// Makes the topic with [`PARTITIONS`] partitions and the cluster's replication when it is not
    /// there. An existing topic is left as it is. Fails after 10 s without an answer.
    pub async fn ensure_topic(&self) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client().create().context("configure the Kafka client")?;
        // -1: the cluster's own default replication factor
        let topic = NewTopic::new(&self.topic, PARTITIONS, TopicReplication::Fixed(-1));
        let options = AdminOptions::new()
            .operation_timeout(Some(Duration::from_secs(10)))
            .request_timeout(Some(Duration::from_secs(10)));
        let asked = admin.create_topics([&topic], &options).await;
        let created = asked.with_context(|| format!("ask Kafka at {} for topic {:?}", self.brokers, self.topic))?;
        for result in created {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                // who may not create topics may still use one that is there
                Err((_, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed))
                    if self.topic_exists()? => {}
                Err((name, code)) => anyhow::bail!("create Kafka topic {name:?} at {}: {code}", self.brokers),
            }
        }
        Ok(())
    }

    fn topic_exists(&self) -> anyhow::Result<bool> {
        // a consumer, because a producer's question may make the topic
        let asker: BaseConsumer = self.client().create().context("configure the Kafka client")?;
        let metadata = asker.fetch_metadata(Some(&self.topic), Duration::from_secs(10))?;
        Ok(metadata.topics().iter().any(|topic| topic.error().is_none() && !topic.partitions().is_empty()))
    }
}
