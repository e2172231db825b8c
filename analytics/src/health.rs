//! What a supervisor asks: is the process alive, and does all that it needs work.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json as Answer};
use actix_web::{Either, HttpResponse, Responder};
use anyhow::Context;
use events::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use serde::Serialize;
use serde_json::json;

use crate::Analytics;
use crate::figures::Shop;
use crate::problem::in_time;

/// How long Kafka has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that does not work.
#[derive(Clone, Debug, Serialize)]
pub struct Away {
    /// What it is, in a word: `consumer`.
    pub name: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// Asks the other services of the process which of them do not work; must answer at once.
pub type Neighbours = Arc<dyn Fn() -> Vec<Away> + Send + Sync>;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> impl Responder {
    Answer(json!({ "alive": true }))
}

/// `GET /readyz`: whether Kafka, PostgreSQL and all services of the process work, and if not, which.
pub(crate) async fn ready(analytics: Data<Analytics>) -> impl Responder {
    let (postgresql, kafka) = tokio::join!(in_time(Shop::now(&analytics.pool)), kafka(analytics.kafka.clone()));
    let mut away = Vec::new();
    if let Err(problem) = postgresql {
        problem.log();
        away.push(Away { name: "postgresql".into(), detail: problem.to_string() });
    }
    if let Err(error) = kafka {
        away.push(Away { name: "kafka".into(), detail: format!("{error:#}") });
    }
    away.extend((analytics.neighbours)());
    if away.is_empty() {
        return Either::Left(Answer(json!({ "ready": true })));
    }
    let names: Vec<_> = away.iter().map(|away| away.name.as_str()).collect();
    let problem = json!({
        "type": "about:blank",
        "title": "Not ready",
        "status": 503,
        "detail": format!("does not work: {}", names.join(", ")),
        "away": away,
    });
    Either::Right(
        HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
            .content_type("application/problem+json")
            .body(problem.to_string()),
    )
}

/// Fails when the brokers do not answer or the topic is not there.
async fn kafka(kafka: Kafka) -> anyhow::Result<()> {
    let asked = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer = kafka.client().create().context("configure the Kafka client")?;
        let metadata = client.fetch_metadata(Some(&kafka.topic), PATIENCE).with_context(|| {
            format!("Kafka at {} does not answer: see that it runs where KAFKA_BROKERS says", kafka.brokers)
        })?;
        match metadata.topics().first().and_then(|topic| topic.error()).map(RDKafkaErrorCode::from) {
            None => Ok(()),
            Some(code) => anyhow::bail!("topic {:?}: {code}; the consumer makes it when it starts", kafka.topic),
        }
    });
    asked.await.context("ask Kafka")?
}
