//! What is known of all imports.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

/// A row of `imports`, as a person reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// What `imports delete` takes.
    pub import_id: Uuid,
    /// None when only its messages are known, as after a rebuild from the log.
    pub file_name: Option<String>,
    /// `product-csv`, `rees46` or `mapped`.
    pub format: Option<String>,
    /// `running`, `finished`, `failed`, `interrupted` or `deleting`.
    pub state: String,
    /// Rows read, the header not counted.
    pub read: i64,
    /// Events that Kafka has acknowledged.
    pub published: i64,
    /// Events that were new.
    pub stored: i64,
    /// Events that were stored before.
    pub duplicate: i64,
    /// Rows that are no events.
    pub rejected: i64,
    /// When it was begun first.
    pub started_at: DateTime<Utc>,
    /// When it ended last.
    pub finished_at: Option<DateTime<Utc>>,
}

/// The imports, the oldest first.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select i.import_id, file_name, format, state, rows_read as read, rows_published as published,
               (rows_stored + coalesce(d.stored, 0))::bigint as "stored!",
               (rows_duplicate + coalesce(d.duplicate, 0))::bigint as "duplicate!",
               (rows_rejected + coalesce(d.rejected, 0))::bigint as "rejected!", started_at, finished_at
           from imports i
           left join (
               select import_id, sum(stored) as stored, sum(duplicate) as duplicate, sum(rejected) as rejected
               from import_deltas
               group by import_id
           ) d using (import_id)
           order by started_at, import_id"#
    )
    .fetch_all(pool)
    .await
}

/// The rows of `imports`, whole, as a JSON array.
pub async fn list_json(pool: &PgPool) -> sqlx::Result<Value> {
    sqlx::query_scalar!(
        r#"select coalesce(jsonb_agg(to_jsonb(i) order by started_at, import_id), '[]') as "rows!" from imports i"#
    )
    .fetch_one(pool)
    .await
}
