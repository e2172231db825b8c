//! Kept sessions: each user's events with pauses of at most the shop's gap, as closed intervals, and what
//! is known of those that start on a day.
//!
//! Events come in any order, so a session may grow at either end, two may become one, and each is found
//! by its user and time among its neighbours. What comes out depends on the events only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use hashbrown::{HashMap, HashSet};
use roaring::RoaringBitmap;
use serde_json::{Map, Value};
use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use crate::fold::{FOLD_EVENTS, MANY_EVENTS, QUARTER_MICROS, days, try_lock};
use crate::rows::Rows;

/// Users whose sessions are cut anew at a time, each time from all chunks.
const USERS_AT_A_TIME: usize = 300_000;

const SESSION_COLUMNS: &[&str] = &["user_number", "started_at", "ended_at", "events", "orders", "amount"];

const DAY_COLUMNS: &[&str] = &[
    "day",
    "sessions",
    "events",
    "with_order",
    "first_start",
    "last_start",
    "seconds",
    "sessions_of",
    "fractional",
    "fraction_micros",
    "users",
    "fold",
];

/// So many events are added at a time, or up to twice as many. Each step writes the users of its days anew, so
/// they are not smaller; this bounds their memory.
const STEP_EVENTS: usize = 2 * FOLD_EVENTS;

/// Forgets the kept sessions; [`catch_up`] will build them from the first event on.
pub(crate) async fn begin_anew(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "truncate user_sessions, session_days;
         update settings set sessions_to = 0, kept_since = clock_timestamp()",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// As [`begin_anew`], for who must not make readers wait: what older snapshots show stays.
pub(crate) async fn begin_anew_beside_readers(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("delete from user_sessions").execute(&mut *connection).await?;
    sqlx::query!("delete from session_days").execute(&mut *connection).await?;
    sqlx::query!("update settings set sessions_to = 0, kept_since = clock_timestamp()").execute(connection).await?;
    Ok(())
}

/// Adds what has been folded and is in no session yet, under the lock of the kept figures, but leaves out
/// these users, who are to be [`cut_anew`].
pub(crate) async fn catch_up_but(connection: &mut PgConnection, users: &RoaringBitmap) -> anyhow::Result<()> {
    let mut from = None;
    while let Some(mut arrivals) = read_after(connection, from).await? {
        arrivals.visits.retain(|visit| !users.contains(visit.user as u32));
        add(connection, arrivals.visits, arrivals.days, arrivals.gap).await?;
        from = Some(arrivals.to);
    }
    Ok(())
}

/// Cuts the sessions of these users anew from all chunks, under the lock of the kept figures. All other
/// sessions must have what the chunks have.
pub(crate) async fn cut_anew(connection: &mut PgConnection, users: &RoaringBitmap) -> anyhow::Result<()> {
    let gap = sqlx::query_scalar!(
        r#"update settings
           set sessions_to = coalesce((select max(chunk_id) from event_chunks), 0), kept_since = clock_timestamp()
           returning (extract(epoch from kept_gap) * 1000000)::bigint as "gap!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    let cells = cells(connection).await?;
    let users: Vec<u32> = users.iter().collect();
    // some at a time, for the sake of memory
    for users in users.chunks(USERS_AT_A_TIME) {
        let set: RoaringBitmap = users.iter().copied().collect();
        let mut visits = Vec::new();
        {
            let mut chunks = chunks_after(connection, 0);
            while let Some(chunk) = chunks.try_next().await? {
                chunk.visits(&cells, |user| set.contains(user as u32), &mut visits)?;
            }
        }
        let numbers: Vec<i64> = users.iter().map(|&user| i64::from(user)).collect();
        let kept = sqlx::query_as!(
            KeptSession,
            r#"select user_number, started_at, ended_at, events, orders, amount
               from user_sessions where user_number = any($1::bigint[])"#,
            &numbers
        )
        .fetch(&mut *connection);
        let mut kept = by_user(kept).await?;
        let gap = TimeDelta::microseconds(gap);
        let mut changes = Changes::default();
        for (user, of_user) in of_users(visits) {
            changes.put(user, kept.remove(&user).unwrap_or_default(), join(of_user, gap));
        }
        for (user, sessions) in kept {
            changes.put(user, sessions, Vec::new());
        }
        change(connection, changes, HashMap::new()).await?;
    }
    Ok(())
}

/// Adds what has been folded and is in no session yet, unless another consumer is at it. While PostgreSQL
/// writes some events, it is asked for the next.
pub(crate) async fn catch_up(pool: &PgPool, token: &CancellationToken) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut told = started;
    let mut events = 0;
    let mut next = if pending(&mut *pool.acquire().await?).await? > 0 { read(pool, None).await? } else { None };
    while let Some(arrivals) = next
        && !token.is_cancelled()
    {
        let read_events = arrivals.events;
        let following = tokio::spawn({
            let (pool, from) = (pool.clone(), arrivals.to);
            async move { read(&pool, Some(from)).await }
        });
        let following = AbortOnDropHandle::new(following);
        if !add_arrivals(pool, arrivals).await? {
            return Ok(());
        }
        next = following.await??;
        events += read_events;
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            info!(events, "adding events to the sessions");
        }
    }
    if events >= MANY_EVENTS {
        // as after a fold, and no plan should take the tables for empty
        sqlx::raw_sql("vacuum (analyze) session_days").execute(pool).await?;
        sqlx::raw_sql("analyze user_sessions, event_chunks (chunk_id, day, first_at, last_at, events)")
            .execute(pool)
            .await?;
        debug!(events, elapsed_ms = started.elapsed().as_millis() as u64, "the sessions are up to date");
    } else if events > 0 {
        let mut transaction = pool.begin().await?;
        if try_lock(&mut transaction).await? && pending(&mut transaction).await? == 0 {
            sqlx::query("select merge_small_chunks()").execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// How many chunks are in no session yet.
async fn pending(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "chunks!" from event_chunks where chunk_id > (select sessions_to from settings)"#
    )
    .fetch_one(connection)
    .await
}

/// Events of chunks that follow each other.
struct Arrivals {
    visits: Vec<Visit>,
    /// The days of the quarters in which they were.
    days: HashMap<i32, NaiveDate>,
    /// Of them, what is no traffic included.
    events: usize,
    /// The sessions have the chunks up to this one,
    from: i64,
    /// and with these visits up to this one.
    to: i64,
    /// When all that is kept was last begun anew, which these chunks are of.
    since: DateTime<Utc>,
    /// The gap in microseconds.
    gap: i64,
}

/// Reads the oldest chunks that are in no session, or those after the chunk `from`; none when there are
/// none, or when no consumer has told the database the gap.
async fn read(pool: &PgPool, from: Option<i64>) -> anyhow::Result<Option<Arrivals>> {
    let mut transaction = pool.begin_with("begin isolation level repeatable read, read only").await?;
    let arrivals = read_after(&mut transaction, from).await?;
    transaction.rollback().await?;
    Ok(arrivals)
}

async fn read_after(connection: &mut PgConnection, from: Option<i64>) -> anyhow::Result<Option<Arrivals>> {
    let settings = sqlx::query!(
        r#"select sessions_to, kept_since, (extract(epoch from kept_gap) * 1000000)::bigint as gap from settings"#
    )
    .fetch_one(&mut *connection)
    .await?;
    let Some(gap) = settings.gap else { return Ok(None) };
    let from = from.unwrap_or(settings.sessions_to);
    let mut arrivals = Arrivals {
        visits: Vec::new(),
        days: HashMap::new(),
        events: 0,
        from,
        to: from,
        since: settings.kept_since,
        gap,
    };
    let cells = cells(connection).await?;
    let mut last_day = NaiveDate::MIN;
    let mut chunks = chunks_after(connection, from);
    while let Some(chunk) = chunks.try_next().await? {
        // whole folds, which each begin with their earliest day: the users who are new in one need not
        // be looked for
        if arrivals.events >= STEP_EVENTS && chunk.day < last_day || arrivals.events >= 2 * STEP_EVENTS {
            break;
        }
        last_day = chunk.day;
        arrivals.to = chunk.chunk_id;
        arrivals.events += chunk.times.len();
        arrivals.days.extend(chunk.times.iter().map(|time| (quarter(*time), chunk.day)));
        chunk.visits(&cells, |_| true, &mut arrivals.visits)?;
    }
    Ok(Some(arrivals).filter(|arrivals| arrivals.to > arrivals.from))
}

/// A row of `event_chunks`, as far as sessions need it.
struct Chunk {
    chunk_id: i64,
    day: NaiveDate,
    times: Vec<DateTime<Utc>>,
    cell_ids: Vec<i32>,
    user_numbers: Vec<i32>,
    amounts: Option<Vec<Option<String>>>,
}

/// The chunks after this one, in their order.
fn chunks_after(connection: &mut PgConnection, chunk_id: i64) -> BoxStream<'_, sqlx::Result<Chunk>> {
    sqlx::query_as!(
        Chunk,
        r#"select chunk_id, day, times, cell_ids, user_numbers, amounts::text[] as "amounts: Vec<Option<String>>"
           from event_chunks where chunk_id > $1::bigint order by chunk_id"#,
        chunk_id
    )
    .fetch(connection)
}

impl Chunk {
    /// Appends what those of its events who are traffic of these users are to sessions.
    fn visits(
        self,
        cells: &HashMap<i32, Cell>,
        is_of: impl Fn(i32) -> bool,
        visits: &mut Vec<Visit>,
    ) -> anyhow::Result<()> {
        let mut amounts = self.amounts.into_iter().flatten();
        for ((time, cell_id), user) in self.times.iter().zip(&self.cell_ids).zip(&self.user_numbers) {
            let amount = amounts.next().flatten();
            if !is_of(*user) {
                continue;
            }
            let cell = cells.get(cell_id).with_context(|| format!("cell {cell_id} of event_chunks is no cell"))?;
            if cell.is_traffic {
                let amount = cell.amount(amount)?;
                visits.push(Visit { user: *user, time: *time, is_order: cell.is_order, amount });
            }
        }
        Ok(())
    }
}

/// Adds the arrivals, in a transaction; false when another consumer is at it, or has been.
async fn add_arrivals(pool: &PgPool, arrivals: Arrivals) -> anyhow::Result<bool> {
    let mut transaction = pool.begin().await?;
    let is_ours = try_lock(&mut transaction).await?
        && sqlx::query_scalar!(
            r#"update settings set sessions_to = $1::bigint
               where sessions_to = $2::bigint and kept_since = $3::timestamptz returning true as "ours!""#,
            arrivals.to,
            arrivals.from,
            arrivals.since
        )
        .fetch_optional(&mut *transaction)
        .await?
        .is_some();
    if is_ours {
        add(&mut transaction, arrivals.visits, arrivals.days, arrivals.gap).await?;
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(is_ours)
}

/// What sessions need to know of a cell.
struct Cell {
    /// Changes of users are no traffic.
    is_traffic: bool,
    is_order: bool,
    currency: Option<String>,
}

impl Cell {
    /// What an event brought in, with its currency.
    fn amount(&self, amount: Option<String>) -> anyhow::Result<Option<Box<(String, BigDecimal)>>> {
        let (Some(currency), Some(amount)) = (&self.currency, amount) else { return Ok(None) };
        let amount = amount.parse().with_context(|| format!("amount {amount:?} of event_chunks is no decimal"))?;
        Ok(Some(Box::new((currency.clone(), amount))))
    }
}

async fn cells(connection: &mut PgConnection) -> sqlx::Result<HashMap<i32, Cell>> {
    let rows = sqlx::query!("select cell_id, event_type, currency from cells").fetch_all(connection).await?;
    let cell = |event_type: &str, currency| Cell {
        is_traffic: event_type != "user_update",
        is_order: event_type == "order",
        currency,
    };
    Ok(rows.into_iter().map(|row| (row.cell_id, cell(&row.event_type, row.currency))).collect())
}

/// An event on its way into a session. There are hundreds of thousands at a time, so it is small.
struct Visit {
    user: i32,
    time: DateTime<Utc>,
    is_order: bool,
    amount: Option<Box<(String, BigDecimal)>>,
}

impl Visit {
    /// A session of this event alone.
    fn session(self) -> Session {
        let amount = self.amount.map(|amount| BTreeMap::from([*amount]));
        Session { start: self.time, end: self.time, events: 1, orders: i32::from(self.is_order), amount }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Session {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    events: i32,
    orders: i32,
    /// Revenue by currency, where there is any.
    amount: Option<BTreeMap<String, BigDecimal>>,
}

impl Session {
    fn absorb(&mut self, other: Self) {
        self.end = self.end.max(other.end);
        self.events += other.events;
        self.orders += other.orders;
        if let Some(amounts) = other.amount {
            let sums = self.amount.get_or_insert_default();
            for (currency, amount) in amounts {
                *sums.entry(currency).or_default() += amount;
            }
        }
    }

    fn micros(&self) -> i64 {
        (self.end - self.start).num_microseconds().unwrap_or(i64::MAX)
    }

    fn quarter(&self) -> i32 {
        quarter(self.start)
    }
}

fn quarter(time: DateTime<Utc>) -> i32 {
    time.timestamp_micros().div_euclid(QUARTER_MICROS) as i32
}

/// Makes one session of those of a user that are at most `gap` apart; `parts` are in the order of their
/// starts, and so is what comes back.
fn join(parts: impl IntoIterator<Item = Session>, gap: TimeDelta) -> Vec<Session> {
    let mut joined: Vec<Session> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start - last.end <= gap => last.absorb(part),
            _ => joined.push(part),
        }
    }
    joined
}

/// What becomes of sessions.
#[derive(Default)]
struct Changes {
    gone: Vec<(i64, Session)>,
    /// Those that keep their start: before and after.
    grown: Vec<(i64, Session, Session)>,
    new: Vec<(i64, Session)>,
}

impl Changes {
    /// Joins the visits of a user with the sessions next to them; both in the order of their starts.
    fn add(&mut self, user: i64, visits: Vec<Session>, neighbours: Vec<Session>, gap: TimeDelta) {
        if neighbours.is_empty() {
            self.new.extend(join(visits, gap).into_iter().map(|session| (user, session)));
            return;
        }
        let mut parts = neighbours.clone();
        parts.extend(visits);
        parts.sort_by_key(|part| part.start);
        self.put(user, neighbours, join(parts, gap));
    }

    /// Puts sessions of a user in the place of others.
    fn put(&mut self, user: i64, before: Vec<Session>, after: Vec<Session>) {
        let mut before: BTreeMap<DateTime<Utc>, Session> =
            before.into_iter().map(|session| (session.start, session)).collect();
        for session in after {
            match before.remove(&session.start) {
                Some(old) if old == session => {}
                Some(old) => self.grown.push((user, old, session)),
                None => self.new.push((user, session)),
            }
        }
        self.gone.extend(before.into_values().map(|session| (user, session)));
    }
}

/// Adds events of a gap in microseconds to the sessions and their days; `known_days` are of quarters.
async fn add(
    connection: &mut PgConnection,
    mut visits: Vec<Visit>,
    known_days: HashMap<i32, NaiveDate>,
    gap: i64,
) -> anyhow::Result<()> {
    visits.sort_by_key(|visit| (visit.user, visit.time));
    let gap = TimeDelta::microseconds(gap);
    let mut neighbours = neighbours(connection, &visits, gap).await?;
    let mut changes = Changes::default();
    for (user, of_user) in of_users(visits) {
        changes.add(user, of_user, neighbours.remove(&user).unwrap_or_default(), gap);
    }
    change(connection, changes, known_days).await
}

/// Each user with a session a visit, in the order of their times.
fn of_users(mut visits: Vec<Visit>) -> impl Iterator<Item = (i64, Vec<Session>)> {
    visits.sort_by_key(|visit| (visit.user, visit.time));
    let mut visits = visits.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = visits.next()?;
        let user = first.user;
        let mut of_user = vec![first.session()];
        while let Some(next) = visits.next_if(|next| next.user == user) {
            of_user.push(next.session());
        }
        Some((i64::from(user), of_user))
    })
}

/// Writes the changes to the sessions and their days; `known_days` are of quarters.
async fn change(
    connection: &mut PgConnection,
    mut changes: Changes,
    mut known_days: HashMap<i32, NaiveDate>,
) -> anyhow::Result<()> {
    let starts = changes.gone.iter().chain(&changes.new).map(|(_, session)| session.quarter());
    let unknown: HashSet<i32> = starts
        .chain(changes.grown.iter().map(|(_, old, _)| old.quarter()))
        .filter(|quarter| !known_days.contains_key(quarter))
        .collect();
    known_days.extend(days(connection, unknown.into_iter()).await?);
    write(connection, &mut changes).await?;
    change_days(connection, &changes, &known_days).await
}

/// The sessions that the visits may be joined with, each user's in the order of their starts: the last
/// one before a user's first visit, and those that begin before the gap after the last has passed.
async fn neighbours(
    connection: &mut PgConnection,
    visits: &[Visit],
    gap: TimeDelta,
) -> anyhow::Result<HashMap<i64, Vec<Session>>> {
    // whoever came later has none
    let newest =
        sqlx::query_scalar!(r#"select max(user_number) from user_sessions"#).fetch_one(&mut *connection).await?;
    let known = visits.partition_point(|visit| newest.is_some_and(|newest| i64::from(visit.user) <= newest));
    let mut users = Vec::new();
    let mut firsts = Vec::new();
    let mut lasts = Vec::new();
    for of_user in visits[..known].chunk_by(|a, b| a.user == b.user) {
        users.push(i64::from(of_user[0].user));
        firsts.push(of_user[0].time);
        lasts.push(of_user[of_user.len() - 1].time + gap);
    }
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    by_user(sqlx::query_file_as!(KeptSession, "src/neighbours.sql", &users, &firsts, &lasts).fetch(connection)).await
}

/// A row of `user_sessions`.
struct KeptSession {
    user_number: i64,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    events: i32,
    orders: i32,
    amount: Option<Value>,
}

/// The sessions of each user, in the order of their starts.
async fn by_user(mut rows: BoxStream<'_, sqlx::Result<KeptSession>>) -> anyhow::Result<HashMap<i64, Vec<Session>>> {
    let mut found: HashMap<i64, Vec<Session>> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let amount = row.amount.map(amounts).transpose()?;
        let session =
            Session { start: row.started_at, end: row.ended_at, events: row.events, orders: row.orders, amount };
        found.entry(row.user_number).or_default().push(session);
    }
    for sessions in found.values_mut() {
        sessions.sort_by_key(|session| session.start);
    }
    Ok(found)
}

/// Revenue as `user_sessions.amount` has it.
fn amounts(value: Value) -> anyhow::Result<BTreeMap<String, BigDecimal>> {
    let amounts: BTreeMap<String, String> = serde_json::from_value(value).context("an amount of user_sessions")?;
    let decimal = |(currency, amount): (String, String)| {
        Ok((currency, amount.parse().with_context(|| format!("amount {amount:?} of user_sessions is no decimal"))?))
    };
    amounts.into_iter().map(decimal).collect()
}

fn object(session: &Session) -> Map<String, Value> {
    let amounts = session.amount.iter().flat_map(|amounts| amounts.iter());
    amounts.map(|(currency, amount)| (currency.clone(), Value::String(amount.to_plain_string()))).collect()
}

/// Writes the changes to `user_sessions`.
async fn write(connection: &mut PgConnection, changes: &mut Changes) -> anyhow::Result<()> {
    if !changes.gone.is_empty() {
        let (users, starts): (Vec<i64>, Vec<DateTime<Utc>>) =
            changes.gone.iter().map(|(user, session)| (*user, session.start)).unzip();
        sqlx::query!(
            "delete from user_sessions s using unnest($1::bigint[], $2::timestamptz[]) as g(user_number, started_at)
             where s.user_number = g.user_number and s.started_at = g.started_at",
            &users,
            &starts
        )
        .execute(&mut *connection)
        .await?;
    }
    if !changes.grown.is_empty() {
        let grown = &changes.grown;
        let users: Vec<i64> = grown.iter().map(|(user, _, _)| *user).collect();
        let starts: Vec<DateTime<Utc>> = grown.iter().map(|(_, _, session)| session.start).collect();
        let ends: Vec<DateTime<Utc>> = grown.iter().map(|(_, _, session)| session.end).collect();
        let events: Vec<i32> = grown.iter().map(|(_, _, session)| session.events).collect();
        let orders: Vec<i32> = grown.iter().map(|(_, _, session)| session.orders).collect();
        let amounts: Vec<Option<Value>> = grown
            .iter()
            .map(|(_, _, session)| session.amount.as_ref().map(|_| Value::Object(object(session))))
            .collect();
        sqlx::query!(
            "update user_sessions s
             set ended_at = g.ended_at, events = g.events, orders = g.orders, amount = g.amount
             from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::int[], $6::jsonb[])
                 as g(user_number, started_at, ended_at, events, orders, amount)
             where s.user_number = g.user_number and s.started_at = g.started_at",
            &users,
            &starts,
            &ends,
            &events,
            &orders,
            &amounts as &[Option<Value>]
        )
        .execute(&mut *connection)
        .await?;
    }
    // each block of the table is then of a few hours, which is what the index of the starts goes by
    changes.new.sort_by_key(|(_, session)| session.start);
    let mut rows = Rows::default();
    for (user, session) in &changes.new {
        rows.begin();
        rows.put(user);
        rows.put(&session.start);
        rows.put(&session.end);
        rows.put(&session.events);
        rows.put(&session.orders);
        rows.put_object(&object(session));
    }
    rows.write_all(connection, "user_sessions", SESSION_COLUMNS).await?;
    Ok(())
}

/// Brings `session_days` up to date, after `user_sessions`.
async fn change_days(
    connection: &mut PgConnection,
    changes: &Changes,
    days: &HashMap<i32, NaiveDate>,
) -> anyhow::Result<()> {
    let day = |session: &Session| days[&session.quarter()];
    let mut touched: BTreeMap<NaiveDate, SessionDay> = BTreeMap::new();
    let starts = changes.gone.iter().chain(&changes.new).map(|(_, session)| session);
    for session in starts.chain(changes.grown.iter().map(|(_, old, _)| old)) {
        touched.entry(day(session)).or_default();
    }
    let keys: Vec<NaiveDate> = touched.keys().copied().collect();
    take_days(connection, &keys, &mut touched).await?;

    for (user, session) in &changes.gone {
        let session_day = touched.entry(day(session)).or_default();
        session_day.count(session, -1);
        session_day.left.insert(*user);
    }
    for (_, old, session) in &changes.grown {
        let session_day = touched.entry(day(session)).or_default();
        session_day.count(old, -1);
        session_day.count(session, 1);
    }
    let mut users: BTreeMap<NaiveDate, Vec<u32>> = BTreeMap::new();
    for (user, session) in &changes.new {
        touched.entry(day(session)).or_default().count(session, 1);
        users.entry(day(session)).or_default().push(u32::try_from(*user)?);
    }
    for (day, mut users) in users {
        let session_day = touched.entry(day).or_default();
        users.sort_unstable();
        for user in &users {
            session_day.left.remove(&i64::from(*user));
        }
        session_day.users |= users.into_iter().collect::<RoaringBitmap>();
    }
    for (day, session_day) in &mut touched {
        session_day.let_go(connection, *day).await?;
    }
    let fold = sqlx::query_scalar!(r#"select nextval('folds') as "fold!""#).fetch_one(&mut *connection).await?;
    let mut rows = Rows::default();
    for (day, session_day) in touched {
        session_day.encode(day, fold, &mut rows);
    }
    rows.write_all(connection, "session_days", DAY_COLUMNS).await?;
    Ok(())
}

/// What is kept of the sessions that start on a day.
#[derive(Default)]
struct SessionDay {
    sessions: i64,
    events: i64,
    with_order: i64,
    /// No session starts outside.
    starts: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// By whole seconds of length: sessions, and those of them that are a fraction longer.
    lengths: BTreeMap<i32, (i32, i32)>,
    fraction_micros: i64,
    users: RoaringBitmap,
    /// Users who lost a session and did not gain one.
    left: HashSet<i64>,
}

/// Takes the rows of these days out of `session_days`, as far as there are any.
async fn take_days(
    connection: &mut PgConnection,
    days: &[NaiveDate],
    into: &mut BTreeMap<NaiveDate, SessionDay>,
) -> anyhow::Result<()> {
    let mut rows =
        sqlx::query!("delete from session_days where day = any($1::date[]) returning *", days).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let lengths = row.seconds.into_iter().zip(row.sessions_of.into_iter().zip(row.fractional));
        let session_day = SessionDay {
            sessions: row.sessions,
            events: row.events,
            with_order: row.with_order,
            starts: Some((row.first_start, row.last_start)),
            lengths: lengths.collect(),
            fraction_micros: row.fraction_micros,
            users: RoaringBitmap::deserialize_from(row.users.as_slice())
                .with_context(|| format!("the users of {} in session_days", row.day))?,
            left: HashSet::new(),
        };
        into.insert(row.day, session_day);
    }
    Ok(())
}

impl SessionDay {
    /// Counts the session in or, `by` -1, out.
    fn count(&mut self, session: &Session, by: i32) {
        self.sessions += i64::from(by);
        self.events += i64::from(by) * i64::from(session.events);
        self.with_order += i64::from(by) * i64::from(session.orders > 0);
        let (first, last) = self.starts.unwrap_or((session.start, session.start));
        self.starts = Some((first.min(session.start), last.max(session.start)));
        let micros = session.micros();
        let fraction = micros % 1_000_000;
        self.fraction_micros += i64::from(by) * fraction;
        let seconds = i32::try_from(micros / 1_000_000).unwrap_or(i32::MAX);
        let (sessions, fractional) = self.lengths.entry(seconds).or_default();
        *sessions += by;
        *fractional += by * i32::from(fraction != 0);
        if *sessions == 0 {
            self.lengths.remove(&seconds);
        }
    }

    /// Takes out the users who have no session on this day any more.
    async fn let_go(&mut self, connection: &mut PgConnection, day: NaiveDate) -> anyhow::Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        let left: Vec<i64> = self.left.drain().collect();
        let (first, last) = self.starts.unwrap_or_default();
        let gone = sqlx::query_scalar!(
            r#"select u.user_number as "user_number!"
               from unnest($1::bigint[]) as u(user_number)
               where not exists (
                   select from user_sessions s
                   where s.user_number = u.user_number
                       and s.started_at between $2::timestamptz and $3::timestamptz
                       and (quarter_start(quarter_of(s.started_at)) at time zone shop_timezone())::date = $4::date
               )"#,
            &left,
            first,
            last,
            day
        )
        .fetch_all(connection)
        .await?;
        for user in gone {
            self.users.remove(u32::try_from(user)?);
        }
        Ok(())
    }

    /// Appends the row of [`DAY_COLUMNS`].
    fn encode(&self, day: NaiveDate, fold: i64, rows: &mut Rows) {
        let (first, last) = self.starts.unwrap_or_default();
        let mut users = Vec::with_capacity(self.users.serialized_size());
        self.users.serialize_into(&mut users).expect("a Vec takes any write");
        rows.begin();
        rows.put(&day);
        rows.put(&self.sessions);
        rows.put(&self.events);
        rows.put(&self.with_order);
        rows.put(&first);
        rows.put(&last);
        rows.put(&self.lengths.keys().copied().collect::<Vec<i32>>());
        rows.put(&self.lengths.values().map(|(sessions, _)| *sessions).collect::<Vec<i32>>());
        rows.put(&self.lengths.values().map(|(_, fractional)| *fractional).collect::<Vec<i32>>());
        rows.put(&self.fraction_micros);
        rows.put(&users);
        rows.put(&fold);
    }
}
