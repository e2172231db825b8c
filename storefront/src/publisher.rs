//! From an event to its place on the topic, and what to do while Kafka is away.
//!
//! The event of a page may wait: up to [`ROOM`] of them stay in memory for up to an hour, and are
//! delivered when Kafka is back. An order may not: what the shop called unconfirmed must not be
//! delivered minutes later, when the visitor has long gone elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use events::{Event, Kafka, Trouble};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a page waits for Kafka: it is to be there within two seconds, whatever happens.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How many events of pages may wait for Kafka; some twenty megabytes.
const ROOM: u32 = 20_000;

/// Where an acknowledged event is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// The shop's end of the topic.
pub(crate) struct Publisher {
    kafka: Kafka,
    pages: FutureProducer,
    orders: FutureProducer,
    /// Nothing is sent before: the first message would make the topic, with one partition.
    topic_is_there: watch::Sender<bool>,
    room: Arc<Semaphore>,
    /// Deliveries live here: a page's own task ends with the page.
    runtime: Handle,
    away: AtomicBool,
    lost: AtomicU64,
}

impl Publisher {
    /// Connects in the background. Fails when a setting is unusable, or outside a tokio runtime.
    pub(crate) fn new(kafka: Kafka) -> anyhow::Result<Self> {
        let producer = |timeout_ms: &str| -> anyhow::Result<FutureProducer> {
            let mut config = kafka.producer();
            config
                // default: 300 s for all
                .set("message.timeout.ms", timeout_ms)
                // a visitor waits for each message; 1 ms still catches neighbours (default: 5 ms)
                .set("linger.ms", "1");
            config.create().context("configure the storefront's Kafka producer")
        };
        Ok(Self {
            pages: producer("3600000")?,
            orders: producer("1000")?,
            kafka,
            topic_is_there: watch::Sender::new(false),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            runtime: Handle::try_current().context("the storefront needs a tokio runtime")?,
            away: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        })
    }

    /// Makes sure that the topic is there, however long Kafka takes to come, then returns.
    pub(crate) async fn prepare(self: Arc<Self>, stop: CancellationToken) {
        loop {
            match self.kafka.ensure_topic().await {
                Ok(()) => break,
                Err(error) => self.miss(&format!("{error:#}")),
            }
            tokio::select! {
                () = sleep(Duration::from_secs(1)) => {}
                () = stop.cancelled() => return,
            }
        }
        self.topic_is_there.send_replace(true);
        self.hit();
    }

    /// Publishes the event of a page. `None` when Kafka does not acknowledge it in time; it may still
    /// be delivered later.
    pub(crate) async fn page(self: &Arc<Self>, event: &Event<'_>) -> Option<Place> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            self.lose("no room for another event that waits for Kafka");
            return None;
        };
        let (this, message) = (Arc::clone(self), Message::of(event));
        let delivery = self.runtime.spawn(async move {
            let place = this.deliver(&this.pages, &message).await;
            drop(room);
            match place {
                Ok(place) => {
                    this.hit();
                    Some(place)
                }
                Err(reason) => {
                    this.lose(&reason);
                    None
                }
            }
        });
        match timeout(PATIENCE, delivery).await {
            Ok(place) => place.ok().flatten(),
            Err(_) => {
                self.miss("no acknowledgement in time");
                None
            }
        }
    }

    /// Publishes an order. `None` when Kafka does not acknowledge it in time: it may be on the topic
    /// all the same, so it must be sent again under the same id or not at all.
    pub(crate) async fn order(&self, event: &Event<'_>) -> Option<Place> {
        let message = Message::of(event);
        let reason = match timeout(PATIENCE, self.deliver(&self.orders, &message)).await {
            Ok(Ok(place)) => {
                self.hit();
                return Some(place);
            }
            Ok(Err(reason)) => reason,
            Err(_) => "no acknowledgement in time".to_owned(),
        };
        self.miss(&reason);
        None
    }

    /// Asks Kafka for the topic, for `/readyz`; takes a second at most.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), Trouble> {
        let Kafka { brokers, topic, .. } = &self.kafka;
        if !*self.topic_is_there.borrow() {
            return Err(Trouble::new(
                format!("Kafka at {brokers} is away, or has not made topic {topic:?} yet"),
                "start Kafka there, or set KAFKA_BROKERS to where it runs; the shop goes on by itself",
            ));
        }
        let this = Arc::clone(self);
        let asked =
            tokio::task::spawn_blocking(move || this.kafka.partitions(this.pages.client(), Duration::from_secs(1)));
        match asked.await {
            Ok(found) => found.map(drop),
            Err(error) => Err(Trouble::new(error.to_string(), "read the log of the storefront")),
        }
    }

    /// Waits until no event waits any more, at most `patience`; says how many are given up.
    pub(crate) async fn finish(&self, patience: Duration) {
        if timeout(patience, self.room.acquire_many(ROOM)).await.is_err() {
            let events = ROOM as usize - self.room.available_permits();
            tracing::error!(events, brokers = self.kafka.brokers, "stopped with events that kafka did not acknowledge");
        }
    }

    async fn deliver(&self, producer: &FutureProducer, message: &Message) -> Result<Place, String> {
        let mut there = self.topic_is_there.subscribe();
        there.wait_for(|there| *there).await.map_err(|error| error.to_string())?;
        let record = FutureRecord::to(&self.kafka.topic).key(&message.key).payload(&message.json);
        let sent = producer.send_result(record).map_err(|(error, _)| error.to_string())?;
        match sent.await.map_err(|error| error.to_string())? {
            Ok(delivery) => Ok(Place { partition: delivery.partition, offset: delivery.offset }),
            Err((error, _)) => Err(error.to_string()),
        }
    }

    /// One line for an outage, however many events it meets.
    fn miss(&self, reason: &str) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                brokers = self.kafka.brokers,
                reason,
                "kafka does not acknowledge: pages come without waiting longer, orders are not confirmed"
            );
        }
    }

    fn lose(&self, reason: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.miss(reason);
    }

    fn hit(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            let lost_events = self.lost.swap(0, Ordering::Relaxed);
            tracing::info!(brokers = self.kafka.brokers, lost_events, "kafka is back");
        }
    }
}

struct Message {
    key: String,
    json: Vec<u8>,
}

impl Message {
    fn of(event: &Event<'_>) -> Self {
        Self { key: event.user_id.clone().into_owned(), json: event.to_json() }
    }
}
