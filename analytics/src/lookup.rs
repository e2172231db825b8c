//! Single events: the latest that were stored, and what became of a certain one.

use actix_web::web::{Data, Json as Answer, Path};
use actix_web::{Either, HttpRequest, Responder};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Analytics;
use crate::figures::rfc3339;
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Span, View, query_of_span};

/// The event as a JSON object: all that it holds, and where it came from.
type Event = Json<Box<RawValue>>;

#[derive(Serialize)]
struct Latest {
    rows: Vec<Event>,
}

#[derive(Serialize)]
struct Stored {
    state: &'static str,
    stored_at: String,
    topic: String,
    partition: i32,
    offset: i64,
    event: Event,
}

#[derive(Serialize)]
struct Rejected {
    state: &'static str,
    reason: String,
    rejected_at: String,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    import_id: Option<Uuid>,
    line: Option<i64>,
}

/// A row of `stored.sql`.
struct Row {
    event: Event,
    stored_at: String,
    topic: String,
    partition: i32,
    offset: i64,
}

/// `GET /api/latest`: the events that were stored last, newest first.
pub(crate) async fn latest(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["limit"])?;
    let limit = question.limit(50, 1_000)?;
    let rows = in_time(async {
        let mut connection = analytics.pool.acquire().await?;
        let span = Span::of(&question, View::Rows, &analytics.known.zones, &mut connection).await?;
        Ok(newest(&span, limit, &mut connection).await?)
    })
    .await?;
    Ok(Answer(Latest { rows: rows.into_iter().map(|row| row.event).collect() }))
}

/// `GET /api/events/{event_id}`: where the event is stored, or else why it was rejected last.
pub(crate) async fn event(analytics: Data<Analytics>, id: Path<String>) -> Result<impl Responder, Problem> {
    let event_id = Uuid::parse_str(&id).map_err(|_| Problem::parameter("event_id", &id, "is no UUID"))?;
    in_time(async {
        let mut connection = analytics.pool.acquire().await?;
        if let Some(row) = rows(&Span::everything(), Some(event_id), [None, None], 1, &mut connection).await?.pop() {
            let Row { event, stored_at, topic, partition, offset } = row;
            return Ok(Either::Left(Answer(Stored { state: "stored", stored_at, topic, partition, offset, event })));
        }
        let rejected =
            sqlx::query_file!("queries/rejected.sql", event_id).fetch_optional(&mut *connection).await?.ok_or_else(
                || Problem::NotFound(format!("no event {event_id} has come this far, neither stored nor rejected")),
            )?;
        Ok(Either::Right(Answer(Rejected {
            state: "rejected",
            reason: rejected.reason,
            rejected_at: rfc3339(rejected.rejected_at),
            topic: rejected.topic,
            partition: rejected.partition,
            offset: rejected.offset,
            import_id: rejected.import_id,
            line: rejected.line,
        })))
    })
    .await
}

/// The events that were stored last. Looks back in growing steps, none of which reads what another has read: the times
/// of storing are indexed by blocks, for an index of each row would cost a bulk load a tenth of its time.
async fn newest(span: &Span, limit: i64, connection: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
    let last = sqlx::query_file_scalar!("queries/last_stored.sql").fetch_one(&mut *connection).await?;
    let mut found = Vec::new();
    let mut before = None;
    // a tenth of a second to three years, then all that is left
    for step in 0..=15 {
        let since = last.filter(|_| step < 15).map(|last| last - TimeDelta::milliseconds(100 * 4_i64.pow(step)));
        found.extend(rows(span, None, [since, before], limit - found.len() as i64, connection).await?);
        if since.is_none() || found.len() as i64 == limit {
            break;
        }
        before = since;
    }
    Ok(found)
}

async fn rows(
    span: &Span,
    event_id: Option<Uuid>,
    [since, before]: [Option<DateTime<Utc>>; 2],
    limit: i64,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Row>> {
    query_of_span!(Row, "queries/stored.sql", span, event_id, limit, since, before).fetch_all(connection).await
}
