//! The kept figures: folds what batches appended (`event_deltas`), in the background, into a row a cell
//! and day ([`cell_days`]) and into the events in columns ([`chunks`]), from which the [`sessions`] are
//! brought up to date; builds all of them anew where the shop's zone has changed.
//!
//! Sums are right at any moment, for who reads them reads both. Sets of users are as fresh as the last
//! fold, and so are sessions under live traffic; in a flood they wait until it is over. Any number of
//! consumers may do this: one does, under a lock.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::TryStreamExt;
use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;
use sqlx::{Connection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::rows::Rows;
use crate::{cell_days, chunks, sessions};

/// Advisory lock of whoever changes the kept figures other than by appending.
const FOLDING: i64 = 0x5368_6f70_0001;

/// How often it is looked whether there is something to fold.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A fold rewrites each row that it adds to, so under live traffic there is at most one in this time.
const LIVE_PAUSE: Duration = Duration::from_secs(1);

/// In a flood each fold touches nearly every row, whatever its size: it waits so many times as long as
/// the one before took, but not longer than [`LONGEST_PAUSE`].
const PAUSES: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// More events a second than this are a flood. Sessions wait until there has been none for the first
/// time, but not longer than for the second.
const FLOOD_EVENTS: f64 = 10_000.0;
const SESSIONS_PAUSE: Duration = Duration::from_secs(1);
const SESSIONS_PATIENCE: Duration = Duration::from_secs(300);

/// One fold takes about so many events, which bounds its memory.
pub(crate) const FOLD_EVENTS: usize = 300_000;

/// A fold of so many rewrites much of `cell_days`; more than live traffic brings.
pub(crate) const MANY_EVENTS: usize = 50_000;

/// Pages of `events` that a rebuild reads at a time: some 300,000 rows.
const REBUILD_PAGES: i64 = 8_192;

/// So many ids of users of 32 characters fit into a row of `user_ids` as it is, without compression.
const IDS_IN_ROW: usize = 48;

/// A quarter of an hour, what figures are kept by within a day. Days of all zones begin with one.
pub(crate) const QUARTER_MICROS: i64 = 900 * 1_000_000;

/// Folds what consumers append until `token` is cancelled.
pub(crate) async fn keep_folding(pool: PgPool, token: CancellationToken) {
    // apart: a replay that waits for its counts need not wait for a fold
    tokio::join!(keep_imports(&pool, &token), keep_figures(&pool, &token));
}

async fn keep_imports(pool: &PgPool, token: &CancellationToken) {
    while token.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        if let Err(error) = sqlx::query_file!("src/fold_imports.sql").execute(pool).await {
            warn!(%error, "cannot count what imports stored, trying again");
        }
    }
}

async fn keep_figures(pool: &PgPool, token: &CancellationToken) {
    let mut due = Instant::now();
    let mut folded_at = Instant::now();
    let mut is_flood = false;
    let mut caught_up_at = Instant::now();
    let mut newest_before = None;
    let mut changed_at = Instant::now();
    let mut unsummarized = 0;
    while token.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let folded = async {
            let newest = sqlx::query_scalar!("select max(delta_id) from event_deltas").fetch_one(pool).await?;
            // when a flood is over there is nothing to wait for
            let is_over = newest == newest_before;
            if newest.is_some() && !is_over {
                changed_at = Instant::now();
            }
            newest_before = newest;
            if newest.is_some() && (Instant::now() >= due || is_over) {
                let started = Instant::now();
                let mut events = 0;
                loop {
                    let folded = fold(pool).await?;
                    events += folded;
                    if folded < FOLD_EVENTS || token.is_cancelled() {
                        break;
                    }
                }
                due = Instant::now() + (started.elapsed() * PAUSES).clamp(LIVE_PAUSE, LONGEST_PAUSE);
                is_flood = events as f64 > FLOOD_EVENTS * folded_at.elapsed().as_secs_f64();
                folded_at = Instant::now();
                unsummarized += events;
            }
            is_flood &= newest.is_some() || changed_at.elapsed() < SESSIONS_PAUSE;
            if !is_flood || caught_up_at.elapsed() >= SESSIONS_PATIENCE {
                sessions::catch_up(pool, token).await?;
                caught_up_at = Instant::now();
            }
            // after a flood the sessions come first
            if unsummarized >= MANY_EVENTS && !(is_flood && is_over) {
                summarize(pool).await?;
                unsummarized = 0;
            }
            anyhow::Ok(())
        };
        if let Err(error) = folded.await {
            // sums are read from what is not folded too, so this may wait
            warn!(error = format!("{error:#}"), "cannot fold the kept figures, trying again");
            due = Instant::now() + Duration::from_secs(5);
        }
    }
}

/// Folds all that has been appended and brings the sessions up to date, once and at once.
pub async fn fold_all(pool: &PgPool) -> anyhow::Result<()> {
    while fold(pool).await? > 0 {}
    sessions::catch_up(pool, &CancellationToken::new()).await
}

/// Brings the indexes by blocks up to date: blocks that they do not know yet are read by every question.
async fn summarize(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query(
        "select brin_summarize_new_values(index::regclass)
         from unnest(array['events_occurred_at', 'events_stored_at', 'user_sessions_started_at']) as i(index)",
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes the lock of the kept figures for this transaction; false when another consumer has it.
pub(crate) async fn try_lock(transaction: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1::bigint) as "locked!""#, FOLDING)
        .fetch_one(transaction)
        .await
}

/// Folds the oldest deltas, unless another consumer is at it; returns the number of their events.
async fn fold(pool: &PgPool) -> anyhow::Result<usize> {
    let started = Instant::now();
    let mut transaction = pool.begin().await?;
    if !try_lock(&mut transaction).await? {
        transaction.rollback().await?;
        return Ok(0);
    }
    let events = fold_oldest(&mut transaction).await?;
    if events == 0 {
        // at once: a transaction that is dropped holds its lock until its connection is asked again
        transaction.rollback().await?;
        return Ok(0);
    }
    transaction.commit().await?;
    if events >= MANY_EVENTS {
        // a flood of folds would leave more behind than autovacuum clears away in its minute
        sqlx::raw_sql("vacuum cell_days, event_deltas").execute(pool).await?;
    }
    debug!(events, elapsed_ms = started.elapsed().as_millis() as u64, "folded");
    Ok(events)
}

/// Folds the oldest deltas, under the lock of the kept figures; returns the number of their events.
pub(crate) async fn fold_oldest(connection: &mut PgConnection) -> anyhow::Result<usize> {
    let mut arrivals = Arrivals::default();
    let mut taken = Vec::new();
    {
        let mut deltas = sqlx::query!(
            r#"select delta_id, cell_id, times, amounts::text[] as amounts, user_ids
               from event_deltas order by delta_id"#
        )
        .fetch(&mut *connection);
        while arrivals.visits.len() < FOLD_EVENTS
            && let Some(delta) = deltas.try_next().await?
        {
            taken.push(delta.delta_id);
            arrivals.add(delta.cell_id, &delta.times, decimals(delta.amounts)?, delta.user_ids);
        }
    }
    let events = arrivals.visits.len();
    if events > 0 {
        sqlx::query!("delete from event_deltas where delta_id = any($1::bigint[])", &taken)
            .execute(&mut *connection)
            .await?;
        arrivals.keep(connection).await?;
    }
    Ok(events)
}

/// Waits for the lock of the kept figures, and keeps it until [`unlock`] or the connection's end.
pub(crate) async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"select pg_advisory_lock($1::bigint) as "locked""#, FOLDING).execute(connection).await?;
    Ok(())
}

/// Gives the lock back: the end of a connection takes its time to be noticed.
pub(crate) async fn unlock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"select pg_advisory_unlock($1::bigint) as "unlocked""#, FOLDING).fetch_one(connection).await?;
    Ok(())
}

/// Tells the database the shop's zone. A change, like a database whose figures are not kept yet or were
/// kept in another form, has the kept figures built anew from the rows, while other consumers may go on
/// storing. Fails when PostgreSQL does not know the zone.
pub async fn set_timezone(pool: &PgPool, timezone: &str) -> anyhow::Result<()> {
    // a connection of its own, which takes its lock along when it ends, however it ends
    let mut connection = pool.acquire().await?.detach();
    lock(&mut connection).await?;
    let known = sqlx::query_scalar!(
        r#"select exists (select from pg_timezone_names where name = $1::text) as "known!""#,
        timezone
    )
    .fetch_one(&mut connection)
    .await?;
    anyhow::ensure!(
        known,
        "SHOP_TIMEZONE {timezone:?} is no zone that PostgreSQL knows; use an IANA name such as Europe/Berlin"
    );
    let kept = sqlx::query_scalar!(
        r#"select coalesce(timezone = $1::text and kept_timezone = $1::text, false) as "kept!" from settings"#,
        timezone
    )
    .fetch_one(&mut connection)
    .await?;
    if !kept {
        rebuild(&mut connection, timezone).await.context("build the kept figures of the shop's zone")?;
    }
    unlock(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Tells the database the gap that ends a session. After a change the sessions are built anew, in the
/// background.
pub async fn set_session_gap(pool: &PgPool, gap: Duration) -> anyhow::Result<()> {
    let micros = i64::try_from(gap.as_micros()).context("a gap of so many years")?;
    let mut transaction = pool.begin().await?;
    sqlx::query!(r#"select pg_advisory_xact_lock($1::bigint) as "locked""#, FOLDING).execute(&mut *transaction).await?;
    let kept = sqlx::query_scalar!(
        r#"update settings set session_gap = $1::bigint * interval '1 microsecond'
           returning coalesce(kept_gap = session_gap, false) as "kept!""#,
        micros
    )
    .fetch_one(&mut *transaction)
    .await?;
    if !kept {
        sqlx::query!("update settings set kept_gap = session_gap").execute(&mut *transaction).await?;
        sessions::begin_anew(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Builds the kept figures from the rows that one snapshot shows: the deltas in it are of these rows,
/// those that come later are not.
async fn rebuild(connection: &mut PgConnection, timezone: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut transaction = connection.begin_with("begin isolation level repeatable read").await?;
    sqlx::query!(
        "update settings set timezone = $1::text, kept_timezone = $1::text, kept_since = clock_timestamp()",
        timezone
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("delete from event_deltas").execute(&mut *transaction).await?;
    sqlx::query!("delete from cell_days").execute(&mut *transaction).await?;
    sqlx::raw_sql("truncate event_chunks").execute(&mut *transaction).await?;
    sessions::begin_anew(&mut transaction).await?;
    sqlx::query_file!("src/rebuild_cells.sql").execute(&mut *transaction).await?;
    read_pages(&mut transaction, None).await?;
    transaction.commit().await?;
    info!(timezone, elapsed_ms = started.elapsed().as_millis() as u64, "built the kept figures from the events");
    Ok(())
}

/// Adds the rows of `events` to the kept figures, all or those of some days of the shop's zone.
pub(crate) async fn read_pages(connection: &mut PgConnection, only: Option<&[NaiveDate]>) -> anyhow::Result<()> {
    let pages = sqlx::query_scalar!(r#"select pg_relation_size('events') / 8192 as "pages!""#)
        .fetch_one(&mut *connection)
        .await?;
    let started = Instant::now();
    let mut told = started;
    for page in (0..=pages).step_by(REBUILD_PAGES as usize) {
        let mut arrivals = Arrivals::default();
        {
            let mut cells =
                sqlx::query_file!("src/rebuild.sql", page, page + REBUILD_PAGES, only).fetch(&mut *connection);
            while let Some(cell) = cells.try_next().await? {
                arrivals.add(cell.cell_id, &cell.times, decimals(cell.amounts)?, cell.user_ids);
            }
        }
        if !arrivals.visits.is_empty() {
            arrivals.keep(connection).await?;
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let seconds_left = started.elapsed().as_secs() * (pages - page) as u64 / (page + REBUILD_PAGES) as u64;
            info!(page, pages, seconds_left, "building the kept figures from the events");
        }
    }
    Ok(())
}

/// Amounts as PostgreSQL writes them; none where a cell has no currency. (As numerics, sqlx would bring
/// them with digits behind the point that nobody wrote.)
pub(crate) fn decimals(amounts: Option<Vec<String>>) -> anyhow::Result<Vec<BigDecimal>> {
    let parsed = amounts.unwrap_or_default().iter().map(|amount| amount.parse()).collect::<Result<_, _>>();
    parsed.context("an amount that is no decimal")
}

/// Events that are to be added to the kept figures.
#[derive(Default)]
pub(crate) struct Arrivals {
    pub(crate) visits: Vec<Visit>,
    /// What the events brought in, one after the other; [`Visit::amount`] is an index.
    pub(crate) amounts: Vec<BigDecimal>,
    /// Each user's id, numbered as they came; [`Visit::user`] is such a number.
    users: HashMap<String, u32>,
}

#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) cell_id: i32,
    /// Of the shop's zone, once it is known.
    pub(crate) day: NaiveDate,
    /// Numbered from the epoch.
    pub(crate) quarter: i32,
    /// From the start of the quarter.
    pub(crate) micros: i32,
    /// The user's number in `user_numbers`, once it is known.
    pub(crate) user: u32,
    pub(crate) amount: Option<u32>,
}

impl Visit {
    pub(crate) fn occurred_at(&self) -> DateTime<Utc> {
        let micros = i64::from(self.quarter) * QUARTER_MICROS + i64::from(self.micros);
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }
}

impl Arrivals {
    /// Adds events of one cell: parallel arrays, no amounts where the cell has no currency.
    fn add(&mut self, cell_id: i32, times: &[DateTime<Utc>], amounts: Vec<BigDecimal>, user_ids: Vec<String>) {
        let mut amounts = amounts.into_iter();
        for (time, user_id) in times.iter().zip(user_ids) {
            let micros = time.timestamp_micros();
            let next = self.users.len() as u32;
            let user = *self.users.entry(user_id).or_insert(next);
            let amount = amounts.next().map(|amount| {
                self.amounts.push(amount);
                self.amounts.len() as u32 - 1
            });
            self.visits.push(Visit {
                cell_id,
                day: NaiveDate::MIN,
                quarter: micros.div_euclid(QUARTER_MICROS) as i32,
                micros: micros.rem_euclid(QUARTER_MICROS) as i32,
                user,
                amount,
            });
        }
    }

    /// Adds the events to what is kept.
    async fn keep(mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        let numbers = self.number_users(connection).await?;
        let days = days(connection, self.visits.iter().map(|visit| visit.quarter)).await?;
        for visit in &mut self.visits {
            visit.day = days[&visit.quarter];
            visit.user = numbers[visit.user as usize];
        }
        chunks::append(connection, &mut self).await?;
        cell_days::add(connection, &mut self).await
    }

    /// The number of each user, in the order in which they came; who has none gets one. New ones are
    /// numbered by their first times, for then sessions in the order of their starts are nearly in that of
    /// their key, which a bulk load notices, and the users of a day lie together.
    async fn number_users(&mut self, connection: &mut PgConnection) -> anyhow::Result<Vec<u32>> {
        let mut users: Vec<(Uuid, String, u32)> =
            self.users.drain().map(|(user_id, place)| (user_key(&user_id), user_id, place)).collect();
        users.sort_unstable_by_key(|user| user.0);
        let keys: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        // by arrays: a row each would cost more than finding them does
        let known = sqlx::query!(
            r#"select coalesce(array_agg(user_key), '{}') as "keys!", coalesce(array_agg(user_number), '{}') as "numbers!"
               from user_numbers where user_key = any($1::uuid[])"#,
            &keys
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut numbers = vec![None; users.len()];
        for (key, number) in known.keys.iter().zip(known.numbers) {
            if let Ok(found) = keys.binary_search(key) {
                numbers[users[found].2 as usize] = Some(number);
            }
        }
        let new = numbers.iter().filter(|number| number.is_none()).count();
        if new > 0 {
            let mut number = sqlx::query_scalar!(
                r#"update settings set users = users + $1::bigint returning users - $1::bigint as "first!""#,
                new as i64
            )
            .fetch_one(&mut *connection)
            .await?;
            users.retain(|user| numbers[user.2 as usize].is_none());
            let firsts = self.first_times(numbers.len());
            let mut by_time: Vec<u32> = users.iter().map(|user| user.2).collect();
            by_time.sort_unstable_by_key(|&place| (firsts[place as usize], place));
            for place in by_time {
                numbers[place as usize] = Some(number);
                number += 1;
            }
            let mut rows = Rows::default();
            for (key, _, place) in &users {
                rows.begin();
                rows.put(key);
                rows.put_option(numbers[*place as usize].as_ref());
            }
            rows.write_all(connection, "user_numbers", &["user_key", "user_number"]).await?;
            users.sort_unstable_by_key(|user| numbers[user.2 as usize]);
            let mut rows = Rows::default();
            for users in users.chunks(IDS_IN_ROW) {
                rows.begin();
                rows.put_option(numbers[users[0].2 as usize].as_ref());
                rows.put(&users.iter().map(|(_, user_id, _)| user_id.as_str()).collect::<Vec<_>>());
            }
            rows.write_all(connection, "user_ids", &["first_number", "user_ids"]).await?;
        }
        let fitting = |number: i64| i32::try_from(number).ok()?.try_into().ok();
        let numbers = numbers.into_iter().flatten().map(fitting).collect::<Option<_>>();
        numbers.context("more than two billion users, whose numbers are of 31 bits")
    }

    /// The first time of each user who came, as quarter and microseconds.
    fn first_times(&self, users: usize) -> Vec<(i32, i32)> {
        let mut firsts = vec![(i32::MAX, i32::MAX); users];
        for visit in &self.visits {
            let first = &mut firsts[visit.user as usize];
            *first = (*first).min((visit.quarter, visit.micros));
        }
        firsts
    }
}

/// By what users are told apart where there is no room for their ids: as much of SHA-256 as a UUID
/// holds, as the SQL function `user_key` has it.
fn user_key(user_id: &str) -> Uuid {
    let digest = Sha256::digest(user_id);
    Uuid::from_bytes(std::array::from_fn(|n| digest[n]))
}

/// The day of each quarter, in the shop's zone, about which PostgreSQL decides.
pub(crate) async fn days(
    connection: &mut PgConnection,
    quarters: impl Iterator<Item = i32>,
) -> sqlx::Result<HashMap<i32, NaiveDate>> {
    let mut quarters: Vec<i32> = quarters.collect();
    quarters.sort_unstable();
    quarters.dedup();
    let days = sqlx::query_scalar!(
        r#"select coalesce(array_agg((quarter_start(quarter) at time zone tz)::date order by place), '{}') as "days!"
           from unnest($1::int[]) with ordinality as q(quarter, place), (select shop_timezone() as tz) zone"#,
        &quarters
    )
    .fetch_one(connection)
    .await?;
    Ok(quarters.into_iter().zip(days).collect())
}
