//! What PostgreSQL knows of an import: its row, its rejected lines, how far the topic is stored.

use chrono_tz::Tz;
use sqlx::PgPool;
use uuid::Uuid;

use crate::pace::Ends;
use crate::product_csv;
use crate::rejects::Reject;

/// An import that has a row in `imports`.
pub(crate) struct Import {
    pool: PgPool,
    pub(crate) id: Uuid,
}

/// The file that an import reads, as its row tells it.
pub(crate) struct Origin<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_bytes: u64,
    pub(crate) timezone: Tz,
    pub(crate) as_live: bool,
}

/// What became of an import's rows, by its row in `imports`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fate {
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    /// Whether some of it is still on the way into these figures.
    pub(crate) pending: bool,
}

impl Import {
    /// Makes the row of a new import.
    pub(crate) async fn begin(pool: PgPool, id: Uuid, origin: &Origin<'_>) -> anyhow::Result<Self> {
        sqlx::query!(
            "insert into imports (import_id, file_name, format, file_bytes, timezone, as_live)
             values ($1::uuid, $2::text, $3::text, $4::bigint, $5::text, $6::boolean)",
            id,
            origin.file_name,
            product_csv::NAME,
            origin.file_bytes as i64,
            origin.timezone.name(),
            origin.as_live
        )
        .execute(&pool)
        .await
        .map_err(|error| {
            let problem = if migrations::is_disk_full(&error) {
                "PostgreSQL's disk is full: make room where its data is"
            } else {
                "write to table imports in PostgreSQL: is DATABASE_URL right, and has `shopwindow migrate` been run?"
            };
            anyhow::Error::new(error).context(problem)
        })?;
        Ok(Self { pool, id })
    }

    /// Keeps rejected lines, each once, and counts those that are new.
    pub(crate) async fn keep_rejects(&self, rejects: &[Reject]) -> sqlx::Result<()> {
        let lines: Vec<i64> = rejects.iter().map(|reject| reject.line as i64).collect();
        let ids: Vec<Option<Uuid>> = rejects.iter().map(|reject| reject.event_id).collect();
        let reasons: Vec<&str> = rejects.iter().map(|reject| reject.reason.as_str()).collect();
        let payloads: Vec<&[u8]> = rejects.iter().map(|reject| reject.raw.as_slice()).collect();
        sqlx::query!(
            "with kept as (
                 insert into rejected_events (source, import_id, line, event_id, reason, payload)
                 select $1::text, $2::uuid, line, event_id, reason, payload
                 from unnest($3::bigint[], $4::uuid[], $5::text[], $6::bytea[]) as r(line, event_id, reason, payload)
                 on conflict (import_id, line) do nothing
                 returning 1
             )
             update imports set rows_rejected = rows_rejected + (select count(*) from kept)
             where import_id = $2::uuid",
            product_csv::SOURCE,
            self.id,
            &lines,
            &ids as &[Option<Uuid>],
            &reasons as &[&str],
            &payloads as &[&[u8]]
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes down how far reading and publishing has come.
    pub(crate) async fn progress(&self, read: u64, published: u64) -> sqlx::Result<()> {
        sqlx::query!(
            "update imports set rows_read = $2::bigint, rows_published = $3::bigint where import_id = $1::uuid",
            self.id,
            read as i64,
            published as i64
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends the import as `finished`, `interrupted` or `failed`.
    pub(crate) async fn end(&self, state: &str, read: u64, published: u64) -> sqlx::Result<()> {
        sqlx::query!(
            "update imports
             set state = $2::text, finished_at = now(), rows_read = $3::bigint, rows_published = $4::bigint
             where import_id = $1::uuid",
            self.id,
            state,
            read as i64,
            published as i64
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How far the partitions of a topic are stored.
    pub(crate) async fn stored(&self, cluster_id: &str, topic: &str) -> sqlx::Result<Ends> {
        let rows = sqlx::query!(
            "select partition, next_offset from consumer_offsets where cluster_id = $1::text and topic = $2::text",
            cluster_id,
            topic
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.partition, row.next_offset)).collect())
    }

    /// What became of the rows so far.
    pub(crate) async fn fate(&self) -> sqlx::Result<Fate> {
        let row = sqlx::query!(
            r#"select rows_stored, rows_duplicate, rows_rejected,
                   exists (select from import_deltas d where d.import_id = i.import_id) as "pending!"
               from imports i
               where import_id = $1::uuid"#,
            self.id
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Fate {
            stored: row.rows_stored as u64,
            duplicate: row.rows_duplicate as u64,
            rejected: row.rows_rejected as u64,
            pending: row.pending,
        })
    }
}
