//! How the pipeline does, for the page and for Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpResponse, Responder};
use anyhow::Context;
use chrono::{TimeDelta, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::Analytics;
use crate::checks::{self, Stored, Trouble};
use crate::figures::rfc3339;
use crate::problem::{Problem, in_time};

/// How long Kafka has to answer.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// How far back latencies are looked at, and at how many events about at the most.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(5);
const MOST_EVENTS: u64 = 50_000;

#[derive(Serialize)]
struct Pipeline {
    kafka: Broker,
    /// Messages that wait to be stored; null while Kafka does not answer.
    lag: Option<i64>,
    #[serde(flatten)]
    known: Known,
}

/// What PostgreSQL knows.
#[derive(Serialize)]
struct Known {
    postgresql: Database,
    /// What became of all messages so far.
    messages: Messages,
    pending: Pending,
    latency: Latency,
    last_stored_at: Option<String>,
    #[serde(skip)]
    stored: Vec<Stored>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Broker {
    Reached { topic: String, cluster_id: String, partitions: Vec<Partition> },
    Away { detail: String, remedy: String },
}

#[derive(Serialize)]
struct Partition {
    partition: i32,
    /// Offset of the oldest message that is held.
    first: i64,
    /// Offset of the next message to come.
    end: i64,
    /// Offset of the next message to store.
    next: i64,
    lag: i64,
}

#[derive(Serialize)]
struct Database {
    version: String,
    database_bytes: i64,
    events_bytes: i64,
    connections: i64,
}

#[derive(Serialize)]
struct Messages {
    stored: i64,
    duplicate: i64,
    rejected: i64,
    late: i64,
}

/// Events that are stored, and not in all figures yet.
#[derive(Serialize)]
struct Pending {
    without_users: i64,
    without_sessions: i64,
}

/// From when events occurred until they were stored, imports aside; null where there were none.
#[derive(Serialize)]
struct Latency {
    since: String,
    events: i64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// `GET /api/pipeline`: where messages are, and how soon they are stored. Asks Kafka and PostgreSQL, and is held for a second
/// ([`shared::hold`](crate::shared::hold)), as [`metrics`] is.
pub(crate) async fn pipeline(analytics: Data<Analytics>) -> Result<impl Responder, Problem> {
    Ok(Answer(Pipeline::now(&analytics).await?))
}

impl Pipeline {
    async fn now(analytics: &Analytics) -> Result<Self, Problem> {
        let kafka = &analytics.kafka;
        let (log, known) = tokio::join!(checks::log(kafka, PATIENCE), in_time(Known::now(analytics)));
        let known = known?;
        let kafka = match log {
            Ok(log) => {
                let partitions = log.partitions.iter().map(|(partition, held)| {
                    let next = checks::next(&log, &known.stored, partition, held);
                    let lag = (held.end - next).max(0);
                    Partition { partition: *partition, first: held.first, end: held.end, next, lag }
                });
                let partitions = partitions.collect();
                Broker::Reached { topic: kafka.topic.clone(), cluster_id: log.cluster_id, partitions }
            }
            Err(Trouble { detail, remedy }) => Broker::Away { detail, remedy },
        };
        let lag = match &kafka {
            Broker::Reached { partitions, .. } => Some(partitions.iter().map(|partition| partition.lag).sum()),
            Broker::Away { .. } => None,
        };
        Ok(Self { kafka, lag, known })
    }
}

impl Known {
    async fn now(analytics: &Analytics) -> Result<Self, Problem> {
        let mut connection = analytics.pool.acquire().await?;
        let row = sqlx::query_file!("queries/pipeline.sql").fetch_one(&mut *connection).await?;
        let stored = checks::stored(&mut *connection, &analytics.kafka.topic).await?;
        let since = analytics.live.since(Utc::now() - LOOK_BACK, MOST_EVENTS);
        let latency = sqlx::query_file!("queries/latency.sql", since).fetch_one(&mut *connection).await?;
        let percentile = |n: usize| latency.milliseconds.get(n).copied();
        Ok(Self {
            postgresql: Database {
                version: row.version,
                database_bytes: row.database_bytes,
                events_bytes: row.events_bytes,
                connections: row.connections,
            },
            messages: Messages { stored: row.stored, duplicate: row.duplicate, rejected: row.rejected, late: row.late },
            pending: Pending { without_users: row.without_users, without_sessions: row.without_sessions },
            latency: Latency {
                since: rfc3339(since),
                events: latency.events,
                p50_ms: percentile(0),
                p95_ms: percentile(1),
                p99_ms: percentile(2),
            },
            last_stored_at: row.updated_at.map(rfc3339),
            stored,
        })
    }
}

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// `GET /metrics`: the same for Prometheus. Answers while Kafka or PostgreSQL is away, and says so by
/// `shopwindow_up`.
pub(crate) async fn metrics(analytics: Data<Analytics>) -> Result<impl Responder, Problem> {
    let pipeline = Pipeline::now(&analytics).await;
    let mut registry = Registry::with_prefix("shopwindow");
    let up = Gauges::default();
    registry.register("up", "Whether a part answers", up.clone());
    let set = |part: &str, is: bool| up.get_or_create(&vec![("part", part.to_owned())]).set(f64::from(u8::from(is)));
    set("postgresql", pipeline.is_ok());
    match pipeline {
        Ok(pipeline) => {
            set("kafka", pipeline.lag.is_some());
            pipeline.register(&mut registry);
        }
        Err(problem) => problem.log(),
    }
    let mut text = String::new();
    encode(&mut text, &registry).context("encode the metrics").map_err(Problem::Internal)?;
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

impl Pipeline {
    fn register(&self, registry: &mut Registry) {
        let gauge = |registry: &mut Registry, name: &str, help: &str, value: f64| {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        let Known { postgresql, messages, pending, latency, .. } = &self.known;
        let counted = Family::<Labels, Counter>::default();
        registry.register("messages", "What became of the messages", counted.clone());
        for (outcome, count) in
            [("stored", messages.stored), ("duplicate", messages.duplicate), ("rejected", messages.rejected)]
        {
            counted.get_or_create(&vec![("outcome", outcome.to_owned())]).inc_by(count.unsigned_abs());
        }
        let late = Counter::<u64>::default();
        late.inc_by(messages.late.unsigned_abs());
        registry.register("late_events", "Events stored more than 60 s after they occurred, imports aside", late);
        if let Broker::Reached { partitions, .. } = &self.kafka {
            let lag = Gauges::default();
            registry.register("lag_messages", "Messages that wait to be stored", lag.clone());
            for partition in partitions {
                lag.get_or_create(&vec![("partition", partition.partition.to_string())]).set(partition.lag as f64);
            }
        }
        let waiting = Gauges::default();
        registry.register("pending_events", "Stored events that a figure lags by", waiting.clone());
        for (figure, events) in [("users", pending.without_users), ("sessions", pending.without_sessions)] {
            waiting.get_or_create(&vec![("figure", figure.to_owned())]).set(events as f64);
        }
        let seconds = Gauges::default();
        registry.register(
            "latency_seconds",
            "From when the events of the last minutes occurred until they were stored, imports aside",
            seconds.clone(),
        );
        for (quantile, milliseconds) in [("0.5", latency.p50_ms), ("0.95", latency.p95_ms), ("0.99", latency.p99_ms)] {
            if let Some(milliseconds) = milliseconds {
                seconds.get_or_create(&vec![("quantile", quantile.to_owned())]).set(milliseconds / 1_000.0);
            }
        }
        gauge(registry, "database_bytes", "Size of the database", postgresql.database_bytes as f64);
        gauge(registry, "events_bytes", "Size of the table events with its indexes", postgresql.events_bytes as f64);
        gauge(registry, "database_connections", "Connections to the database", postgresql.connections as f64);
    }
}
