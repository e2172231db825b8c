//! Deletes an import: its rows, and all that was counted from them.
//!
//! What can be summed could be taken off again, but not who came, nor when first and last. So the days
//! that lose rows are kept anew from those that stay, and so are the sessions of the users who lose some.

use anyhow::{Context, ensure};
use chrono::{NaiveDate, Utc};
use roaring::RoaringBitmap;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgPool};
use tracing::info;
use uuid::Uuid;

use crate::fold;
use crate::sessions;

/// The sessions of no larger share of all users are cut anew by themselves; of more, all are. Beside 8.5 million rows
/// of others, those of a tenth took a third of the time of all.
const FEW_USERS: f64 = 0.25;

/// Deletes the rows of an import, every figure that came of them and the import itself, and has what is
/// on the topic of it dropped. Returns the number of rows. Consumers may go on storing meanwhile.
///
/// All of it becomes visible at once; a deletion that is interrupted before can be begun again. Fails
/// when there is no such import.
pub async fn delete_import(pool: &PgPool, import_id: Uuid) -> anyhow::Result<i64> {
    forbid(pool, import_id).await?;
    // a connection of its own, which takes its lock along when it ends, however it ends
    let mut connection = pool.acquire().await?.detach();
    fold::lock(&mut connection).await?;
    let rows = take_out(&mut connection, import_id).await.context("take the import out of what is kept")?;
    fold::unlock(&mut connection).await?;
    connection.close().await?;
    // at once where no consumer runs
    fold::fold_all(pool).await?;
    if rows > 0 {
        // autovacuum waits until a fifth of all rows are dead, and every index would lead to them until then
        sqlx::raw_sql("vacuum (analyze) events, user_sessions").execute(pool).await.context("clear dead rows away")?;
    }
    Ok(rows)
}

/// From here on nothing is stored of the import.
async fn forbid(pool: &PgPool, import_id: Uuid) -> anyhow::Result<()> {
    let mut transaction = pool.begin().await?;
    // Each batch holds its partitions' rows from its begin to its end: when all have ended, those that
    // follow see what is written here. Then no deltas of the import can come any more.
    sqlx::query("lock table consumer_offsets in exclusive mode").execute(&mut *transaction).await?;
    sqlx::query("lock table import_deltas in exclusive mode").execute(&mut *transaction).await?;
    sqlx::query_file!("src/fold_imports.sql").execute(&mut *transaction).await?;
    let found = sqlx::query!("update imports set state = 'deleting' where import_id = $1::uuid", import_id)
        .execute(&mut *transaction)
        .await?;
    ensure!(
        found.rows_affected() == 1,
        "there is no import {import_id}: `shopwindow imports list` shows which there are"
    );
    sqlx::query!("insert into deleted_imports (import_id) values ($1::uuid) on conflict do nothing", import_id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Takes the import out, in one transaction: the deltas that its snapshot shows are of the rows that it
/// shows, those that come later are not.
async fn take_out(connection: &mut PgConnection, import_id: Uuid) -> anyhow::Result<i64> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read").await?;
    while fold::fold_oldest(&mut transaction).await? > 0 {}
    let gone = sqlx::query_file!("src/delete_events.sql", import_id).fetch_one(&mut *transaction).await?;
    sqlx::query!(
        "with gone as (delete from rejected_events where import_id = $1::uuid returning topic, partition)
         insert into deleted_rows (import_id, topic, partition, rejected)
         select $1::uuid, topic, partition, count(*) from gone where topic is not null group by topic, partition",
        import_id
    )
    .execute(&mut *transaction)
    .await?;
    if gone.events > 0 {
        let users = gone.users.into_iter().map(u32::try_from).collect::<Result<RoaringBitmap, _>>()?;
        let few = sqlx::query_scalar!(
            r#"select kept_gap is not null and $1::bigint < users * $2::float8 as "few!" from settings"#,
            users.len() as i64,
            FEW_USERS
        )
        .fetch_one(&mut *transaction)
        .await?;
        if few {
            sessions::catch_up_but(&mut transaction, &users).await?;
            keep_anew(&mut transaction, &gone.days).await?;
            sessions::cut_anew(&mut transaction, &users).await?;
        } else {
            keep_anew(&mut transaction, &gone.days).await?;
            sessions::begin_anew_beside_readers(&mut transaction).await?;
        }
    }
    sqlx::query!("delete from imports where import_id = $1::uuid", import_id).execute(&mut *transaction).await?;
    sqlx::query!("update deleted_imports set gone_at = clock_timestamp() where import_id = $1::uuid", import_id)
        .execute(&mut *transaction)
        .await?;
    crate::sink::tell(&mut transaction, Utc::now(), 0).await?;
    transaction.commit().await?;
    Ok(gone.events)
}

/// Builds the kept figures of these days anew from the rows.
async fn keep_anew(connection: &mut PgConnection, days: &[NaiveDate]) -> anyhow::Result<()> {
    sqlx::query!("delete from cell_days where day = any($1::date[])", days).execute(&mut *connection).await?;
    sqlx::query!("delete from event_chunks where day = any($1::date[])", days).execute(&mut *connection).await?;
    info!(days = days.len(), "counting the days anew that the import had rows of");
    fold::read_pages(connection, Some(days)).await
}
