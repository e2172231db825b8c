//! What a supervisor asks: is the process alive, and does all that it needs work.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json as Answer};
use actix_web::{Either, HttpResponse, Responder};
use serde_json::json;

use crate::Analytics;
use crate::checks::{self, Backlog, Finding, State, Stored, Trouble};
use crate::problem::Problem;

/// How long Kafka and PostgreSQL have to answer.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Asks the other services of the process how they do; must answer at once.
pub type Neighbours = Arc<dyn Fn() -> Vec<Finding> + Send + Sync>;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> impl Responder {
    Answer(json!({ "alive": true }))
}

/// `GET /readyz`: whether Kafka, PostgreSQL and all services of the process work, and if not, which; held for a second
/// ([`shared::hold`](crate::shared::hold)).
///
/// Messages that wait are a warning: a flood takes its time. When none of them is stored any more,
/// the consumer does not work; which is this process's affair if the consumer is in it.
pub(crate) async fn ready(analytics: Data<Analytics>) -> impl Responder {
    let kafka = &analytics.kafka;
    let (log, stored) = tokio::join!(checks::log(kafka, PATIENCE), stored(&analytics));
    let neighbours = (analytics.neighbours)();
    let has_consumer = neighbours.iter().any(|finding| finding.part == "consumer");
    let lag = match (&log, &stored) {
        (Ok(log), Ok(stored)) => lag(checks::backlog(kafka, log, stored, PATIENCE).await),
        _ => None,
    };
    let findings: Vec<_> = stored
        .err()
        .map(|trouble| Finding::trouble("postgresql", trouble))
        .into_iter()
        .chain(log.err().map(|trouble| Finding::trouble("kafka", trouble)))
        .chain(neighbours)
        .chain(lag.map(|lag| if has_consumer { lag } else { Finding { state: State::Warning, ..lag } }))
        .collect();

    let with = |state| findings.iter().filter(|finding| finding.state == state).collect::<Vec<_>>();
    let (away, warnings) = (with(State::Trouble), with(State::Warning));
    if away.is_empty() {
        let mut ready = json!({ "ready": true });
        if !warnings.is_empty() {
            ready["warnings"] = json!(warnings);
        }
        return Either::Left(Answer(ready));
    }
    let names: Vec<_> = away.iter().map(|finding| finding.part.as_str()).collect();
    let problem = json!({
        "type": "about:blank",
        "title": "Not ready",
        "status": 503,
        "detail": format!("does not work: {}", names.join(", ")),
        "away": away,
        "warnings": warnings,
    });
    Either::Right(
        HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
            .content_type("application/problem+json")
            .body(problem.to_string()),
    )
}

async fn stored(analytics: &Analytics) -> Result<Vec<Stored>, Trouble> {
    let asked = checks::stored(&analytics.pool, &analytics.kafka.topic);
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(stored)) => Ok(stored),
        Ok(Err(error)) => {
            let trouble = checks::explain(&error);
            Problem::from(error).log();
            Err(trouble)
        }
        Err(_) => Err(Trouble::new("PostgreSQL does not answer in time", "see what keeps it busy in pg_stat_activity")),
    }
}

/// Messages that have waited long to be stored.
fn lag(backlog: Result<Backlog, Trouble>) -> Option<Finding> {
    match backlog {
        Err(trouble) => Some(Finding::trouble("consumer", trouble)),
        Ok(Backlog { long: false, .. }) => None,
        Ok(Backlog { messages, moved_lately: true, .. }) => Some(Finding::warning(
            "consumer",
            Trouble::new(
                format!("lags: {messages} messages wait to be stored, some for longer than 30 s"),
                "wait, it works them off; more consumers share the partitions",
            ),
        )),
        Ok(Backlog { messages, .. }) => Some(Finding::trouble(
            "consumer",
            Trouble::new(
                format!("stands still: {messages} messages wait to be stored, and for 30 s none was"),
                "see that a consumer runs, and what its log says; `shopwindow doctor` tells more",
            ),
        )),
    }
}
