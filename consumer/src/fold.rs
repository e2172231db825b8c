//! The kept figures: folds what batches appended (`event_deltas`) into a row a cell and day
//! (`cell_days`), in the background, and builds all of them anew where the shop's zone has changed.
//!
//! Sums are right at any moment, for who reads them reads both. Sets of users are as fresh as the last
//! fold. Any number of consumers may do this: one does, under a lock.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::TryStreamExt;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;
use sqlx::{Connection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::batch::UserKey;
use crate::rows::Rows;

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

/// One fold takes about so many events, which bounds its memory.
const FOLD_EVENTS: usize = 300_000;

/// A fold of so many rewrites much of `cell_days`.
const MANY_EVENTS: usize = 50_000;

/// Pages of `events` that a rebuild reads at a time: some 300,000 rows.
const REBUILD_PAGES: i64 = 8_192;

/// A quarter of an hour, what figures are kept by within a day.
const QUARTER_MICROS: i64 = 900 * 1_000_000;

/// So many rows of `cell_days` are rewritten at a time: a few megabytes.
const ROWS_AT_ONCE: usize = 500;

const CELL_DAY_COLUMNS: &[&str] = &[
    "day",
    "cell_id",
    "events",
    "amount",
    "first_at",
    "last_at",
    "first_quarter",
    "events_to",
    "amounts_to",
    "firsts",
    "lasts",
    "users",
    "fold",
];

/// Folds what consumers append until `token` is cancelled.
pub(crate) async fn keep_folding(pool: PgPool, token: CancellationToken) {
    let mut due = Instant::now();
    let mut newest_before = None;
    while token.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let folded = async {
            // by itself: it is quick, and replay waits for it
            sqlx::query_file!("src/fold_imports.sql").execute(&pool).await?;
            let newest = sqlx::query_scalar!("select max(delta_id) from event_deltas").fetch_one(&pool).await?;
            // when a flood is over there is nothing to wait for
            let is_over = newest == newest_before && newest.is_some();
            newest_before = newest;
            if newest.is_none() || (Instant::now() < due && !is_over) {
                return anyhow::Ok(());
            }
            let started = Instant::now();
            while fold(&pool).await? >= FOLD_EVENTS && !token.is_cancelled() {}
            due = Instant::now() + (started.elapsed() * PAUSES).clamp(LIVE_PAUSE, LONGEST_PAUSE);
            Ok(())
        };
        if let Err(error) = folded.await {
            // sums are read from what is not folded too, so this may wait
            warn!(error = format!("{error:#}"), "cannot fold the kept figures, trying again");
            due = Instant::now() + Duration::from_secs(5);
        }
    }
}

/// Folds the oldest deltas, unless another consumer is at it; returns the number of their events.
async fn fold(pool: &PgPool) -> anyhow::Result<usize> {
    let started = Instant::now();
    let mut transaction = pool.begin().await?;
    let locked = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1::bigint) as "locked!""#, FOLDING)
        .fetch_one(&mut *transaction)
        .await?;
    if !locked {
        return Ok(0);
    }
    let mut arrivals = Arrivals::default();
    let mut taken = Vec::new();
    {
        let mut deltas = sqlx::query!(
            r#"select delta_id, cell_id, times, amounts::text[] as amounts, users
               from event_deltas order by delta_id"#
        )
        .fetch(&mut *transaction);
        while arrivals.visits.len() < FOLD_EVENTS
            && let Some(delta) = deltas.try_next().await?
        {
            taken.push(delta.delta_id);
            arrivals.add(delta.cell_id, &delta.times, decimals(delta.amounts)?, &delta.users);
        }
    }
    let events = arrivals.visits.len();
    if taken.is_empty() {
        return Ok(0);
    }
    sqlx::query!("delete from event_deltas where delta_id = any($1::bigint[])", &taken)
        .execute(&mut *transaction)
        .await?;
    arrivals.keep(&mut transaction).await?;
    transaction.commit().await?;
    if events >= MANY_EVENTS {
        // a flood of folds would leave more behind than autovacuum clears away in its minute
        sqlx::raw_sql("vacuum cell_days, event_deltas").execute(pool).await?;
    }
    debug!(events, elapsed_ms = started.elapsed().as_millis() as u64, "folded");
    Ok(events)
}

/// Tells the database the shop's zone. A change, like a database whose figures are not kept yet or were
/// kept in another form, has the kept figures built anew from the rows, while other consumers may go on
/// storing. Fails when PostgreSQL does not know the zone.
pub async fn set_timezone(pool: &PgPool, timezone: &str) -> anyhow::Result<()> {
    // a connection of its own, which takes its lock along when it ends, however it ends
    let mut connection = pool.acquire().await?.detach();
    sqlx::query!(r#"select pg_advisory_lock($1::bigint) as "locked""#, FOLDING).execute(&mut connection).await?;
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
    connection.close().await?;
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
    sqlx::query_file!("src/rebuild_cells.sql").execute(&mut *transaction).await?;
    let pages = sqlx::query_scalar!(r#"select pg_relation_size('events') / 8192 as "pages!""#)
        .fetch_one(&mut *transaction)
        .await?;
    let mut told = Instant::now();
    for page in (0..=pages).step_by(REBUILD_PAGES as usize) {
        let mut arrivals = Arrivals::default();
        {
            let mut cells = sqlx::query_file!("src/rebuild.sql", page, page + REBUILD_PAGES).fetch(&mut *transaction);
            while let Some(cell) = cells.try_next().await? {
                arrivals.add(cell.cell_id, &cell.times, decimals(cell.amounts)?, &cell.users);
            }
        }
        if !arrivals.visits.is_empty() {
            arrivals.keep(&mut transaction).await?;
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let seconds_left = started.elapsed().as_secs() * (pages - page) as u64 / (page + REBUILD_PAGES) as u64;
            info!(timezone, page, pages, seconds_left, "building the kept figures from the events");
        }
    }
    transaction.commit().await?;
    if pages > 0 {
        info!(timezone, elapsed_ms = started.elapsed().as_millis() as u64, "built the kept figures from the events");
    }
    Ok(())
}

/// Amounts as PostgreSQL writes them; none where a cell has no currency. (As numerics, sqlx would bring
/// them with digits behind the point that nobody wrote.)
fn decimals(amounts: Option<Vec<String>>) -> anyhow::Result<Vec<BigDecimal>> {
    let parsed = amounts.unwrap_or_default().iter().map(|amount| amount.parse()).collect::<Result<_, _>>();
    parsed.context("an amount that is no decimal")
}

/// Events that are to be added to the kept figures.
#[derive(Default)]
struct Arrivals {
    visits: Vec<Visit>,
    /// What the events brought in, one after the other; [`Visit::amount`] is an index.
    amounts: Vec<BigDecimal>,
    /// Each user once; [`Visit::user`] is an index.
    users: Vec<UserKey>,
    user_indices: HashMap<UserKey, u32>,
}

#[derive(Clone, Copy)]
struct Visit {
    cell_id: i32,
    /// Of the shop's zone, once it is known.
    day: NaiveDate,
    /// Numbered from the epoch.
    quarter: i32,
    /// From the start of the quarter.
    micros: i32,
    user: u32,
    amount: Option<u32>,
}

impl Arrivals {
    /// Adds events of one cell: parallel arrays, `users` 16 bytes an event, no amounts where the cell
    /// has no currency.
    fn add(&mut self, cell_id: i32, times: &[DateTime<Utc>], amounts: Vec<BigDecimal>, users: &[u8]) {
        let mut amounts = amounts.into_iter();
        for (time, user) in times.iter().zip(users.as_chunks::<16>().0) {
            let micros = time.timestamp_micros();
            let user = *self.user_indices.entry(*user).or_insert_with(|| {
                self.users.push(*user);
                self.users.len() as u32 - 1
            });
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

    /// Adds the events to the rows of `cell_days`.
    async fn keep(mut self, connection: &mut PgConnection) -> anyhow::Result<()> {
        let numbers = self.number_users(connection).await?;
        let days = self.days(connection).await?;
        let fold = sqlx::query_scalar!(r#"select nextval('folds') as "fold!""#).fetch_one(&mut *connection).await?;

        for visit in &mut self.visits {
            visit.day = days[&visit.quarter];
        }
        self.visits.sort_unstable_by_key(|visit| (visit.day, visit.cell_id, visit.quarter));
        let gains: Vec<&[Visit]> = self.visits.chunk_by(|a, b| (a.day, a.cell_id) == (b.day, b.cell_id)).collect();
        for gains in gains.chunks(ROWS_AT_ONCE) {
            let mut kept = take_rows(connection, gains).await?;
            let mut rows = Rows::default();
            for visits in gains {
                let (day, cell_id) = (visits[0].day, visits[0].cell_id);
                let mut cell_day = kept.remove(&(day, cell_id)).unwrap_or_default();
                cell_day.add(visits, &self.amounts, &numbers);
                cell_day.encode(day, cell_id, fold, &mut rows);
            }
            rows.write_all(connection, "cell_days", CELL_DAY_COLUMNS).await?;
        }
        Ok(())
    }

    /// The number of each user, in the order of [`Arrivals::users`]; who has none gets one.
    async fn number_users(&self, connection: &mut PgConnection) -> anyhow::Result<Vec<u32>> {
        let mut keys: Vec<Uuid> = self.users.iter().copied().map(Uuid::from_bytes).collect();
        keys.sort_unstable();
        // by arrays: a row each would cost more than finding them does
        let known = sqlx::query!(
            r#"select coalesce(array_agg(user_key), '{}') as "keys!", coalesce(array_agg(user_number), '{}') as "numbers!"
               from user_numbers where user_key = any($1::uuid[])"#,
            &keys
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut numbers = vec![None; self.users.len()];
        for (key, number) in known.keys.iter().zip(known.numbers) {
            numbers[self.user_indices[key.as_bytes()] as usize] = Some(number);
        }
        keys.retain(|key| numbers[self.user_indices[key.as_bytes()] as usize].is_none());
        if !keys.is_empty() {
            let mut number = sqlx::query_scalar!(
                r#"update settings set users = users + $1::bigint returning users - $1::bigint as "first!""#,
                keys.len() as i64
            )
            .fetch_one(&mut *connection)
            .await?;
            let mut rows = Rows::default();
            for key in keys {
                numbers[self.user_indices[key.as_bytes()] as usize] = Some(number);
                rows.begin();
                rows.put(&key);
                rows.put(&number);
                number += 1;
            }
            rows.write_all(connection, "user_numbers", &["user_key", "user_number"]).await?;
        }
        let numbers = numbers.into_iter().flatten().map(u32::try_from).collect::<Result<_, _>>();
        numbers.context("more than four billion users, whose sets are of 32-bit numbers")
    }

    /// The day of each quarter, in the shop's zone, about which PostgreSQL decides.
    async fn days(&self, connection: &mut PgConnection) -> sqlx::Result<HashMap<i32, NaiveDate>> {
        let mut quarters: Vec<i32> = self.visits.iter().map(|visit| visit.quarter).collect();
        quarters.sort_unstable();
        quarters.dedup();
        let days = sqlx::query_scalar!(
            r#"select array_agg((quarter_start(quarter) at time zone tz)::date order by place) as "days!"
               from unnest($1::int[]) with ordinality as q(quarter, place), (select shop_timezone() as tz) zone"#,
            &quarters
        )
        .fetch_one(connection)
        .await?;
        Ok(quarters.into_iter().zip(days).collect())
    }
}

/// Takes the rows of these gains out of `cell_days`, as far as there are any.
async fn take_rows(
    connection: &mut PgConnection,
    gains: &[&[Visit]],
) -> anyhow::Result<HashMap<(NaiveDate, i32), CellDay>> {
    let (days, cells): (Vec<NaiveDate>, Vec<i32>) =
        gains.iter().map(|visits| (visits[0].day, visits[0].cell_id)).unzip();
    let mut rows = sqlx::query!(
        "delete from cell_days c
         using unnest($1::date[], $2::int[]) as g(day, cell_id)
         where c.day = g.day and c.cell_id = g.cell_id
         returning c.day, c.cell_id, c.first_quarter, c.events_to, c.amounts_to::text[] as amounts_to,
             c.firsts as \"firsts: Vec<Option<i32>>\", c.lasts as \"lasts: Vec<Option<i32>>\", c.users",
        &days,
        &cells
    )
    .fetch(connection);
    let mut taken = HashMap::with_capacity(gains.len());
    while let Some(row) = rows.try_next().await? {
        let cell_day = CellDay {
            first_quarter: row.first_quarter,
            quarters: quarters(&row.events_to, decimals(row.amounts_to)?, &row.firsts, &row.lasts),
            users: RoaringBitmap::deserialize_from(row.users.as_slice())
                .with_context(|| format!("the users of cell {} on {} in cell_days", row.cell_id, row.day))?,
        };
        taken.insert((row.day, row.cell_id), cell_day);
    }
    Ok(taken)
}

/// What is kept of a cell and a day.
#[derive(Default)]
struct CellDay {
    first_quarter: i32,
    /// From the first to the last that has events.
    quarters: Vec<Quarter>,
    users: RoaringBitmap,
}

/// What is kept of a quarter of an hour.
#[derive(Clone, Default)]
struct Quarter {
    events: i32,
    amount: Option<BigDecimal>,
    /// The first and the last event, in microseconds from the quarter's start.
    ends: Option<(i32, i32)>,
}

/// Takes the running totals of a row apart.
fn quarters(
    events_to: &[i32],
    amounts_to: Vec<BigDecimal>,
    firsts: &[Option<i32>],
    lasts: &[Option<i32>],
) -> Vec<Quarter> {
    let mut events = 0;
    let mut amount = BigDecimal::default();
    let mut amounts_to = amounts_to.into_iter();
    let ends = firsts.iter().zip(lasts).map(|(first, last)| first.zip(*last));
    let quarter = |(&events_to, ends): (&i32, Option<(i32, i32)>)| {
        let gain = amounts_to.next().map(|amount_to| {
            let gain = &amount_to - &amount;
            amount = amount_to;
            gain
        });
        let quarter = Quarter { events: events_to - events, amount: gain, ends };
        events = events_to;
        quarter
    };
    events_to.iter().zip(ends).map(quarter).collect()
}

impl CellDay {
    /// Adds events of this cell and day, sorted by quarter, of which there is at least one.
    fn add(&mut self, visits: &[Visit], amounts: &[BigDecimal], numbers: &[u32]) {
        let (first, last) = (visits[0].quarter, visits[visits.len() - 1].quarter);
        if self.quarters.is_empty() {
            self.first_quarter = first;
        }
        if first < self.first_quarter {
            let earlier = (self.first_quarter - first) as usize;
            self.quarters.splice(..0, std::iter::repeat_n(Quarter::default(), earlier));
            self.first_quarter = first;
        }
        let length = (last - self.first_quarter) as usize + 1;
        if length > self.quarters.len() {
            self.quarters.resize(length, Quarter::default());
        }
        for visit in visits {
            let quarter = &mut self.quarters[(visit.quarter - self.first_quarter) as usize];
            quarter.events += 1;
            let (first, last) = quarter.ends.unwrap_or((visit.micros, visit.micros));
            quarter.ends = Some((first.min(visit.micros), last.max(visit.micros)));
            if let Some(amount) = visit.amount {
                *quarter.amount.get_or_insert_default() += &amounts[amount as usize];
            }
        }
        let mut users: Vec<u32> = visits.iter().map(|visit| numbers[visit.user as usize]).collect();
        users.sort_unstable();
        self.users |= users.into_iter().collect::<RoaringBitmap>();
    }

    /// Appends the row of [`CELL_DAY_COLUMNS`].
    fn encode(&self, day: NaiveDate, cell_id: i32, fold: i64, rows: &mut Rows) {
        let mut events = 0;
        let mut amount = BigDecimal::default();
        let mut events_to = Vec::with_capacity(self.quarters.len());
        let mut amounts_to = Vec::new();
        let has_amounts = self.quarters.iter().any(|quarter| quarter.amount.is_some());
        for quarter in &self.quarters {
            events += quarter.events;
            events_to.push(events);
            if has_amounts {
                amount += quarter.amount.as_ref().unwrap_or(&BigDecimal::default());
                amounts_to.push(amount.clone());
            }
        }
        let ends = || {
            self.quarters.iter().enumerate().filter_map(|(n, quarter)| {
                let start = (i64::from(self.first_quarter) + n as i64) * QUARTER_MICROS;
                quarter.ends.map(|(first, last)| (start + i64::from(first), start + i64::from(last)))
            })
        };
        let instant = |micros: Option<i64>| micros.and_then(DateTime::from_timestamp_micros);
        let mut users = Vec::with_capacity(self.users.serialized_size());
        self.users.serialize_into(&mut users).expect("a Vec takes any write");

        rows.begin();
        rows.put(&day);
        rows.put(&cell_id);
        rows.put(&i64::from(events));
        rows.put_option(Some(&amount).filter(|_| has_amounts));
        rows.put_option(instant(ends().next().map(|(first, _)| first)).as_ref());
        rows.put_option(instant(ends().next_back().map(|(_, last)| last)).as_ref());
        rows.put(&self.first_quarter);
        rows.put(&events_to);
        rows.put_option(Some(&amounts_to).filter(|_| has_amounts));
        rows.put(&self.quarters.iter().map(|quarter| quarter.ends.map(|(first, _)| first)).collect::<Vec<_>>());
        rows.put(&self.quarters.iter().map(|quarter| quarter.ends.map(|(_, last)| last)).collect::<Vec<_>>());
        rows.put(&users);
        rows.put(&fold);
    }
}
