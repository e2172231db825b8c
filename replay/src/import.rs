//! What PostgreSQL knows of an import: its row, its rejected lines, how far the topic is stored.

use std::io::Write;

use chrono_tz::Tz;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use crate::pace::Ends;
use crate::publisher::Mark;
use crate::rejects::{self, Reject};

/// An import that has a row in `imports`, which no other process is at.
pub(crate) struct Import {
    pool: PgPool,
    pub(crate) id: Uuid,
    /// Whether an earlier run of it was broken off, and what that is done with.
    pub(crate) is_resumed: bool,
    pub(crate) done: Mark,
    /// Holds the lock of the import for as long as the process lives.
    _lock: PgConnection,
}

/// The file that an import reads, as its row tells it, and how its rows become events.
pub(crate) struct Origin<'a> {
    pub(crate) file_name: &'a str,
    pub(crate) file_bytes: u64,
    pub(crate) format: &'a str,
    pub(crate) header: Option<&'a str>,
    /// None where rows have new ids each time, so that there is nothing to resume.
    pub(crate) fingerprint: Option<String>,
    pub(crate) timezone: Tz,
    pub(crate) options: Value,
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
    /// Takes up an import of the same file that was begun alike, has not finished and has no process any more,
    /// or makes a new one.
    pub(crate) async fn begin(pool: PgPool, origin: &Origin<'_>) -> anyhow::Result<Self> {
        Self::resume_or_make(pool, origin).await.map_err(|error| {
            let problem = if migrations::is_disk_full(&error) {
                "PostgreSQL's disk is full: make room where its data is"
            } else {
                "write to table imports in PostgreSQL: is DATABASE_URL right, and has `shopwindow migrate` been run?"
            };
            anyhow::Error::new(error).context(problem)
        })
    }

    async fn resume_or_make(pool: PgPool, origin: &Origin<'_>) -> sqlx::Result<Self> {
        let mut lock = pool.acquire().await?.detach();
        let left = sqlx::query_scalar!(
            "select import_id from imports
             where fingerprint = $1::text and format = $2::text and timezone = $3::text and options = $4::jsonb
                 and state in ('running', 'interrupted', 'failed')
                 -- rows that it took for duplicates may have been deleted since
                 and not exists (
                     select from deleted_imports
                     where gone_at is null or gone_at > imports.started_at - interval '1 minute'
                 )
             order by started_at desc",
            origin.fingerprint,
            origin.format,
            origin.timezone.name(),
            &origin.options
        )
        .fetch_all(&mut lock)
        .await?;
        for id in left {
            if !try_lock(&mut lock, id).await? {
                continue;
            }
            // it may have finished while we looked
            let resumed = sqlx::query!(
                "update imports set state = 'running', finished_at = null
                 where import_id = $1::uuid and state in ('running', 'interrupted', 'failed')
                 returning done_line, done_rows, done_published",
                id
            )
            .fetch_optional(&mut lock)
            .await?;
            if let Some(row) = resumed {
                let done = Mark {
                    line: row.done_line as u64,
                    rows: row.done_rows as u64,
                    published: row.done_published as u64,
                };
                return Ok(Self { pool, id, is_resumed: true, done, _lock: lock });
            }
        }
        let id = Uuid::now_v7();
        try_lock(&mut lock, id).await?;
        sqlx::query!(
            "insert into imports (import_id, file_name, format, file_bytes, timezone, as_live, fingerprint, options, header)
             values ($1::uuid, $2::text, $3::text, $4::bigint, $5::text, $6::boolean, $7::text, $8::jsonb, $9::text)",
            id,
            origin.file_name,
            origin.format,
            origin.file_bytes as i64,
            origin.timezone.name(),
            origin.fingerprint.is_none(),
            origin.fingerprint,
            &origin.options,
            origin.header
        )
        .execute(&mut lock)
        .await?;
        Ok(Self { pool, id, is_resumed: false, done: Mark::default(), _lock: lock })
    }

    /// Keeps rejected lines, each once, and counts those that are new.
    pub(crate) async fn keep_rejects(&self, source: &str, rejects: &[Reject]) -> sqlx::Result<()> {
        let lines: Vec<i64> = rejects.iter().map(|reject| reject.line as i64).collect();
        let ids: Vec<Option<Uuid>> = rejects.iter().map(|reject| reject.event_id).collect();
        let reasons: Vec<&str> = rejects.iter().map(|reject| reject.reason.as_str()).collect();
        let payloads: Vec<&[u8]> = rejects.iter().map(|reject| reject.raw.as_slice()).collect();
        sqlx::query!(
            "with alive as (
                 select from imports where import_id = $2::uuid and state <> 'deleting' for share
             ), kept as (
                 insert into rejected_events (source, import_id, line, event_id, reason, payload)
                 select $1::text, $2::uuid, line, event_id, reason, payload
                 from alive,
                     unnest($3::bigint[], $4::uuid[], $5::text[], $6::bytea[]) as r(line, event_id, reason, payload)
                 on conflict (import_id, line) do nothing
                 returning 1
             )
             update imports set rows_rejected = rows_rejected + (select count(*) from kept)
             where import_id = $2::uuid",
            source,
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

    /// Writes down how far reading, publishing and storing has come. False when the import has been deleted.
    pub(crate) async fn progress(&self, read: u64, published: u64, done: Mark) -> sqlx::Result<bool> {
        let written = sqlx::query!(
            "update imports
             set rows_read = $2::bigint, rows_published = $3::bigint, done_line = greatest(done_line, $4::bigint),
                 done_rows = greatest(done_rows, $5::bigint), done_published = greatest(done_published, $6::bigint)
             where import_id = $1::uuid and state <> 'deleting'",
            self.id,
            read as i64,
            published as i64,
            done.line as i64,
            done.rows as i64,
            done.published as i64
        )
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    /// Ends the import as `finished`, `interrupted` or `failed`. `repeated` rows that were published again
    /// are not counted as duplicates any more.
    pub(crate) async fn end(&self, state: &str, read: u64, published: u64, repeated: u64) -> sqlx::Result<()> {
        sqlx::query!(
            "update imports
             set state = $2::text, finished_at = now(), rows_read = $3::bigint, rows_published = $4::bigint,
                 rows_duplicate = rows_duplicate - $5::bigint
             where import_id = $1::uuid and state <> 'deleting'",
            self.id,
            state,
            read as i64,
            published as i64,
            repeated as i64
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Writes its rejected lines as a file that can be mended and replayed.
    pub(crate) async fn write_rejects(&self, out: &mut impl Write) -> anyhow::Result<u64> {
        rejects::write(&self.pool, self.id, out).await
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

/// Takes the lock of an import, unless another process has it. The connection's end gives it back.
async fn try_lock(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<bool> {
    // the half of the id that is random
    let key = id.as_u64_pair().1 as i64;
    sqlx::query_scalar!(r#"select pg_try_advisory_lock($1::bigint) as "locked!""#, key).fetch_one(connection).await
}
