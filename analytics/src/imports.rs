//! What was imported, and what was rejected.

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use serde::Serialize;
use uuid::Uuid;

use crate::Analytics;
use crate::figures::rfc3339;
use crate::problem::{Problem, in_time};
use crate::question::Question;

/// Bytes of a rejected payload that are shown; table `rejected_events` has all of them.
const SHOWN_BYTES: i32 = 1_000;

#[derive(Serialize)]
struct Imports {
    rows: Vec<Import>,
}

/// A file that was replayed, and what became of its rows up to now.
#[derive(Serialize)]
struct Import {
    import_id: Uuid,
    /// Null when only its messages are known, as after a rebuild from the log.
    file_name: Option<String>,
    format: Option<String>,
    file_bytes: Option<i64>,
    timezone: Option<String>,
    as_live: bool,
    /// `running`, `finished`, `failed`, `interrupted` or `deleting`; one whose process was killed stays running.
    state: String,
    rows_read: i64,
    rows_published: i64,
    rows_stored: i64,
    rows_duplicate: i64,
    rows_rejected: i64,
    started_at: String,
    finished_at: Option<String>,
}

#[derive(Serialize)]
struct Rejections {
    rows: Vec<Rejection>,
}

#[derive(Serialize)]
struct Rejection {
    rejected_at: String,
    reason: String,
    source: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    import_id: Option<Uuid>,
    line: Option<i64>,
    event_id: Option<Uuid>,
    /// The first of its bytes as text; what is no UTF-8 is replaced.
    payload: Option<String>,
    payload_bytes: Option<i32>,
}

/// `GET /api/imports`: the files that were replayed, newest first.
pub(crate) async fn imports(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["limit"])?;
    question.narrows_by(&[])?;
    let limit = question.limit(100, 1_000)?;
    let rows = in_time(async {
        let mut connection = analytics.pool.acquire().await?;
        Ok(sqlx::query_file!("queries/imports.sql", limit).fetch_all(&mut *connection).await?)
    })
    .await?;
    let rows = rows.into_iter().map(|row| Import {
        import_id: row.import_id,
        file_name: row.file_name,
        format: row.format,
        file_bytes: row.file_bytes,
        timezone: row.timezone,
        as_live: row.as_live,
        state: row.state,
        rows_read: row.rows_read,
        rows_published: row.rows_published,
        rows_stored: row.rows_stored,
        rows_duplicate: row.rows_duplicate,
        rows_rejected: row.rows_rejected,
        started_at: rfc3339(row.started_at),
        finished_at: row.finished_at.map(rfc3339),
    });
    Ok(Answer(Imports { rows: rows.collect() }))
}

/// `GET /api/rejected`: messages and lines of files that could not be stored, the latest first.
pub(crate) async fn rejected(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["limit"])?;
    question.narrows_by(&["import_id"])?;
    let limit = question.limit(50, 1_000)?;
    // they are UUIDs, as question.rs has seen to
    let of = |ids: &Vec<String>| ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect::<Vec<_>>();
    let imports = question.filters.get("import_id").map(of);
    let rows = in_time(async {
        let mut connection = analytics.pool.acquire().await?;
        let query = sqlx::query_file!("queries/rejections.sql", imports.as_deref(), limit, SHOWN_BYTES);
        Ok(query.fetch_all(&mut *connection).await?)
    })
    .await?;
    let rows = rows.into_iter().map(|row| Rejection {
        rejected_at: rfc3339(row.rejected_at),
        reason: row.reason,
        source: row.source,
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
        import_id: row.import_id,
        line: row.line,
        event_id: row.event_id,
        payload: row.payload.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        payload_bytes: row.payload_bytes,
    });
    Ok(Answer(Rejections { rows: rows.collect() }))
}
