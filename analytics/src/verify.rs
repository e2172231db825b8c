//! Recounts from the events what is kept and what is served, in one snapshot of the database, so that
//! it is exact while consumers store and fold.
//!
//! The recounts stand in `queries/verify/`, and are meant to be read and to be run in psql. What is
//! served is asked as the service asks it, by the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use futures_util::TryStreamExt;
use migrations::Database;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::types::{BigDecimal, Json};
use sqlx::{ConnectOptions, Connection, FromRow};
use tracing::info;

use crate::figures::{Breakdown, Daily, Known, Shop, Totals, rfc3339};
use crate::question::{KEPT, Question};
use crate::sessions::Sessions;
use crate::windows::{Kind, PARAMETERS, Row};

/// So many differences of a figure are told, of the others only the number.
const TOLD: i32 = 20;

/// What came of recounting one figure, which has a value at each of many places.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub figure: String,
    /// How many values are kept or served.
    pub kept: i64,
    /// How many values the recount has.
    pub recount: i64,
    /// At how many places the two differ; a value that only one of them has differs too.
    pub difference: i64,
    /// The first of those places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What could not be compared, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// A place where a figure differs from its recount.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    /// What the value is of, such as a partition, a day, or a cell and a day.
    pub place: String,
    /// The value that is kept or served.
    pub kept: Option<String>,
    /// What the recount gives.
    pub recount: Option<String>,
}

/// What is recounted, and by what.
enum Figure {
    /// What is counted at once and does not depend on the shop's zone; this query compares it.
    Counted(&'static str),
    /// What is kept of cells; this query compares it.
    Kept(&'static str),
    /// What is kept of sessions, as far as nothing is pending; this query compares it.
    Sessions(&'static str),
    /// `/api/sessions` of all sessions and of each month of the shop's zone.
    ServedSessions,
    /// The set of users of each cell and day.
    UserSets,
    /// `/api/totals` of all events, or of each month of the shop's zone.
    Totals { by_month: bool },
    /// `/api/breakdown` by this dimension.
    Breakdown(&'static str),
    /// `/api/daily` in this zone, or in the shop's.
    Daily(Option<&'static str>),
    /// `/api/windows` of a size and an advance, by a dimension; of all events, or of those of the newest day.
    Windows { size: &'static str, advance: &'static str, by: &'static str, newest_day: bool },
    /// What the page shows of today.
    OrdersToday,
}

/// A query of `queries/verify` whose rows are place, kept and recount, with those that differ counted.
macro_rules! compared {
    ($file:literal) => {
        concat!(
            "select count(kept) as kept, count(recount) as recount,
                 count(*) filter (where kept is distinct from recount) as difference,
                 to_jsonb((array_agg(
                     jsonb_build_object('place', place, 'kept', kept::text, 'recount', recount::text) order by place
                 ) filter (where kept is distinct from recount))[:$1::integer]) as places
             from (",
            include_str!(concat!("../queries/verify/", $file, ".sql")),
            ") compared"
        )
    };
}

/// Zones other than the shop's whose days are recounted: with clocks that change, and with an offset
/// that is no whole hour.
const ZONES: [&str; 3] = ["America/New_York", "Asia/Kathmandu", "Europe/Berlin"];

/// What the snapshot shows besides the figures.
struct Snapshot {
    tz: String,
    kept_tz: Option<String>,
    /// From when to when there are events that are stored and not folded.
    pending_from: Option<DateTime<Utc>>,
    pending_to: Option<DateTime<Utc>>,
}

/// Recounts every figure that is kept or served. Reads only, logs what it is at, and takes about as
/// long as reading all events some thirty times.
///
/// Sets of users lag until events are folded: when no snapshot within `patience` shows all folded, they
/// are compared where they can be, and the rest is pending.
///
/// Fails when PostgreSQL is away or holds no tables of ours.
pub async fn verify(database: &Database, patience: Duration) -> anyhow::Result<Vec<Finding>> {
    let options = database.options("shopwindow verify")?.options([
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "0"),
        // a recount that nobody waits for any more must not go on
        ("client_connection_check_interval", "1s"),
        ("plan_cache_mode", "force_custom_plan"),
        ("timezone", "UTC"),
        ("work_mem", "128MB"),
        ("max_parallel_workers_per_gather", "2"),
        // it takes shared memory, of which a container has little
        ("enable_parallel_hash", "off"),
        // values are far fewer than the planner thinks, and text takes long to sort
        ("enable_sort", "off"),
    ]);
    let mut connection = options.connect().await.context("connect to PostgreSQL, where DATABASE_URL says")?;
    let counted = count_all(&mut connection, patience).await.map_err(|error| {
        let code = error.downcast_ref::<sqlx::Error>().and_then(|error| error.as_database_error()?.code());
        match code.as_deref() {
            Some("42P01" | "42703" | "42883") => {
                error.context("the database holds no tables of ours, or older ones: run `shopwindow migrate`")
            }
            _ => error,
        }
    });
    // the session ends with this process in any case
    let _ = connection.close().await;
    counted
}

async fn count_all(connection: &mut PgConnection, patience: Duration) -> anyhow::Result<Vec<Finding>> {
    let started = Instant::now();
    let mut told = false;
    let (mut transaction, snapshot) = loop {
        let mut transaction =
            connection.begin_with("begin transaction isolation level repeatable read, read only").await?;
        let snapshot = Snapshot::show(&mut transaction).await?;
        if snapshot.pending_from.is_none() || started.elapsed() >= patience {
            break (transaction, snapshot);
        }
        transaction.rollback().await?;
        if !told {
            told = true;
            info!("waiting for a moment in which everything stored is folded");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };

    let zones = ZONES.into_iter().filter(|tz| *tz != snapshot.tz).take(2).map(Some);
    let mut figures = vec![
        ("events, amount, first and last by cell and quarter of an hour".into(), Figure::Kept(compared!("quarters"))),
        ("events, amount, first and last by cell and day".into(), Figure::Kept(compared!("days"))),
        ("daily_counts".into(), Figure::Kept(compared!("daily_counts"))),
        ("running totals by cell and day".into(), Figure::Kept(compared!("running_totals"))),
        ("users by cell and day".into(), Figure::UserSets),
        ("events in columns by cell and day".into(), Figure::Kept(compared!("chunks"))),
        ("sessions by day".into(), Figure::Sessions(compared!("sessions"))),
        ("numbers of users".into(), Figure::Counted(compared!("user_numbers"))),
        ("stored, late, rejected and next offset by partition".into(), Figure::Counted(compared!("partitions"))),
        ("stored, rejected and read by import".into(), Figure::Counted(compared!("imports"))),
        ("/api/totals".into(), Figure::Totals { by_month: false }),
        ("/api/totals by month".into(), Figure::Totals { by_month: true }),
        ("/api/sessions".into(), Figure::ServedSessions),
    ];
    figures.extend(KEPT.iter().map(|by| (format!("/api/breakdown by {by}"), Figure::Breakdown(by))));
    figures.extend([None].into_iter().chain(zones).map(|tz| {
        let name = tz.map_or("/api/daily".into(), |tz| format!("/api/daily in {tz}"));
        (name, Figure::Daily(tz))
    }));
    figures.extend(
        [
            ("1h", "1h", "product", false),
            ("1h", "30m", "product", false),
            ("1d", "1d", "none", false),
            ("1h", "1h", "user_id", true),
        ]
        .map(|(size, advance, by, newest_day)| {
            let of = if newest_day { " of the newest day" } else { "" };
            (
                format!("/api/windows of {size} each {advance} by {by}{of}"),
                Figure::Windows { size, advance, by, newest_day },
            )
        }),
    );
    figures.push(("today's orders".into(), Figure::OrdersToday));

    let known = Known::default();
    let mut findings = Vec::new();
    let of = figures.len();
    for (number, (name, figure)) in (1..).zip(figures) {
        info!(figure = name, number, of, elapsed_s = started.elapsed().as_secs(), "recounting");
        let finding = figure.recount(&name, &snapshot, &known, &mut transaction).await;
        findings.push(finding.with_context(|| format!("recount {name}"))?);
    }
    transaction.rollback().await?;
    Ok(findings)
}

impl Snapshot {
    async fn show(connection: &mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query_as!(
            Self,
            "select timezone as tz, kept_timezone as kept_tz,
                 least(
                     (select min(first_at) from event_deltas),
                     (select min(first_at) from event_chunks where chunk_id > sessions_to)
                 ) as pending_from,
                 greatest(
                     (select max(last_at) from event_deltas),
                     (select max(last_at) from event_chunks where chunk_id > sessions_to)
                 ) as pending_to
             from settings"
        )
        .fetch_one(connection)
        .await
    }

    /// What is said of values that lag.
    fn pending(&self, values: usize) -> Option<String> {
        let (from, to) = self.pending_from.zip(self.pending_to).filter(|_| values > 0)?;
        let (from, to) = (rfc3339(from), rfc3339(to));
        let places = if values == 1 { "place" } else { "places" };
        Some(format!("users or sessions at {values} {places}, until events from {from} to {to} are folded"))
    }

    /// Why there are no kept figures, if there are none.
    fn unbuilt(&self) -> Option<String> {
        let kept = match &self.kept_tz {
            Some(kept) if *kept == self.tz => return None,
            Some(kept) => format!("of {kept}"),
            None => "of an older form".into(),
        };
        Some(format!(
            "the kept figures are {kept} and still to be built for {}, as a consumer does at its start",
            self.tz
        ))
    }
}

impl Figure {
    async fn recount(
        self,
        name: &str,
        snapshot: &Snapshot,
        known: &Known,
        connection: &mut PgConnection,
    ) -> anyhow::Result<Finding> {
        let unbuilt = match &self {
            Self::Counted(_) => None,
            _ => snapshot.unbuilt(),
        };
        if unbuilt.is_some() {
            return Ok(Comparison::default().conclude(name, unbuilt));
        }
        let comparison = match self {
            Self::Counted(query) | Self::Kept(query) => compare(query, connection).await?,
            Self::Sessions(_) | Self::ServedSessions if snapshot.pending_from.is_some() => {
                Comparison { pending: 1, ..Comparison::default() }
            }
            Self::Sessions(query) => compare(query, connection).await?,
            Self::ServedSessions => served_sessions(known, connection).await?,
            Self::UserSets => user_sets(connection).await?,
            Self::Totals { by_month } => totals(by_month, known, connection).await?,
            Self::Breakdown(by) => breakdown(by, known, connection).await?,
            Self::Daily(tz) => daily(tz, known, connection).await?,
            Self::Windows { size, advance, by, newest_day } => {
                windows([size, advance, by], newest_day, known, connection).await?
            }
            Self::OrdersToday => orders_today(connection).await?,
        };
        let pending = snapshot.pending(comparison.pending);
        Ok(comparison.conclude(name, pending))
    }
}

/// Lets PostgreSQL compare, by a query that [`compared`] made.
async fn compare(query: &'static str, connection: &mut PgConnection) -> sqlx::Result<Comparison> {
    #[derive(FromRow)]
    struct Compared {
        kept: i64,
        recount: i64,
        difference: i64,
        places: Option<Json<Vec<Place>>>,
    }
    let Compared { kept, recount, difference, places } = sqlx::query_as(query).bind(TOLD).fetch_one(connection).await?;
    let places = places.map(|Json(places)| places).unwrap_or_default();
    Ok(Comparison { kept, recount, difference, places, pending: 0 })
}

async fn user_sets(connection: &mut PgConnection) -> sqlx::Result<Comparison> {
    let mut comparison = Comparison::default();
    let mut rows = sqlx::query_file!("queries/verify/user_sets.sql").fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if row.pending {
            comparison.pending += 1;
            continue;
        }
        let numbers = row.numbers.unwrap_or_default().into_iter().filter_map(|number| u32::try_from(number).ok());
        let numbers: RoaringBitmap = numbers.collect();
        let users = row.recount.unwrap_or(0) as u64;
        let kept = row.kept.map(|set| RoaringBitmap::deserialize_from(set.as_slice()));
        let missing = match &kept {
            Some(Ok(set)) => users - set.intersection_len(&numbers),
            _ => users,
        };
        let kept = kept.map(|set| set.map_or_else(|error| format!("a damaged set: {error}"), |set| told(set.len())));
        let recount = row.recount.map(|_| match missing {
            0 => told(users),
            _ => format!("{}, {missing} of them not in the set", told(users)),
        });
        comparison.add(row.place, kept, recount);
    }
    Ok(comparison)
}

fn told(users: u64) -> String {
    format!("{users} users")
}

async fn totals(by_month: bool, known: &Known, connection: &mut PgConnection) -> anyhow::Result<Comparison> {
    let rows = sqlx::query_file!("queries/verify/totals.sql", by_month).fetch_all(&mut *connection).await?;
    let mut served = Served::default();
    let mut months = BTreeSet::new();
    for row in rows {
        let place = format!("{} {}", row.month.as_deref().unwrap_or(""), row.name).trim_start().to_owned();
        served.recounted(place, row.recount, row.pending);
        months.extend(row.month);
    }
    if by_month {
        for month in months {
            let from: NaiveDate = format!("{month}-01").parse()?;
            let question = format!("from={from}&to={}", from + Months::new(1));
            served.answered(&month, served_totals(&question, known, connection).await?);
        }
    } else {
        served.answered("", served_totals("", known, connection).await?);
    }
    Ok(served.compare())
}

/// The sums of lengths are compared by the mean, which is that of a sum divided by a count.
async fn served_sessions(known: &Known, connection: &mut PgConnection) -> anyhow::Result<Comparison> {
    let rows = sqlx::query_file!("queries/verify/served_sessions.sql").fetch_all(&mut *connection).await?;
    let mut served = Served::default();
    for row in rows {
        let question = match &row.month {
            None => String::new(),
            Some(month) => {
                let from: NaiveDate = format!("{month}-01").parse()?;
                format!("from={from}&to={}", from + Months::new(1))
            }
        };
        let place = row.month.as_deref().unwrap_or("all");
        let mean = row.micros as f64 / 1e6 / row.sessions as f64;
        let recount = [
            ("sessions", row.sessions.to_string()),
            ("users", row.users.to_string()),
            ("events", row.events.to_string()),
            ("with_order", row.with_order.to_string()),
            ("mean_seconds", format!("{mean:.6}")),
            ("median_seconds", format!("{:.6}", row.median_micros / 1e6)),
        ];
        for (name, recount) in recount {
            served.recounted(format!("{place} {name}"), recount, false);
        }
        let sessions = Sessions::of(&Question::read(&question, &["gap"])?, None, known, connection).await?;
        for (name, kept) in sessions.told() {
            served.kept.insert(format!("{place} {name}"), kept);
        }
    }
    Ok(served.compare())
}

async fn served_totals(query: &str, known: &Known, connection: &mut PgConnection) -> anyhow::Result<Value> {
    let mut totals = serde_json::to_value(Totals::of(&Question::read(query, &[])?, known, connection).await?)?;
    // which is as the snapshot says it
    totals["pending"].take();
    Ok(totals)
}

async fn breakdown(by: &'static str, known: &Known, connection: &mut PgConnection) -> anyhow::Result<Comparison> {
    let rows = sqlx::query_file!("queries/verify/breakdown.sql", by).fetch_all(&mut *connection).await?;
    let mut served = Served::default();
    for row in rows {
        served.recounted(format!("{} {}", json!(row.value), row.name), row.recount, row.pending);
    }
    let answer = Breakdown::of(&Question::default(), by, i64::MAX, known, connection).await?;
    served.answered_rows("value", Value::to_string, serde_json::to_value(answer)?);
    Ok(served.compare())
}

async fn daily(tz: Option<&str>, known: &Known, connection: &mut PgConnection) -> anyhow::Result<Comparison> {
    let rows = sqlx::query_file!("queries/verify/daily.sql", tz).fetch_all(&mut *connection).await?;
    let mut served = Served::default();
    for row in rows {
        served.recounted(format!("{} {}", row.day, row.name), row.recount, false);
    }
    let query = tz.map_or(String::new(), |tz| format!("tz={tz}"));
    let answer = Daily::of(&Question::read(&query, &[])?, known, connection).await?;
    served.answered_rows("day", |day| day.as_str().unwrap_or_default().to_owned(), serde_json::to_value(answer)?);
    Ok(served.compare())
}

async fn windows(
    [size, advance, by]: [&'static str; 3],
    newest_day: bool,
    known: &Known,
    connection: &mut PgConnection,
) -> anyhow::Result<Comparison> {
    let mut query = format!("kind=hopping&size={size}&advance={advance}&group_by={by}&limit=50000");
    let mut day = None;
    if newest_day {
        let newest = "select max((occurred_at at time zone shop_timezone())::date) from events";
        let Some(newest) = sqlx::query_scalar(newest).fetch_one(&mut *connection).await? else {
            return Ok(Comparison::default());
        };
        let newest: NaiveDate = newest;
        query += &format!("&from={newest}&to={}", newest + Days::new(1));
        day = Some(newest);
    }
    let place = |start: &str, end: &str, group: Value| format!("{start} {end} {group}");
    let by = (by != "none").then_some(by);
    let mut served = Served::default();
    let mut rows = sqlx::query_file!("queries/verify/windows.sql", size, advance, by, day).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        let place = place(&rfc3339(row.window_start), &rfc3339(row.window_end), json!(row.group));
        served.recounted(format!("{place} {}", row.name), row.recount, false);
    }
    drop(rows);
    let mut cursor = String::new();
    loop {
        let question = Question::read(&format!("{query}{cursor}"), PARAMETERS)?;
        let page = Kind::read(&question)?.page(&question, known, connection).await?;
        for Row { window_start, window_end, group, events, orders, amount } in page.rows {
            let row = json!({ "events": events, "orders": orders, "amount": amount });
            served.answered(&place(&window_start, &window_end, json!(group)), row);
        }
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(served.compare()),
        }
    }
}

async fn orders_today(connection: &mut PgConnection) -> anyhow::Result<Comparison> {
    let recount = sqlx::query_file_scalar!("queries/verify/orders_today.sql").fetch_one(&mut *connection).await?;
    let shop = Shop::now(connection).await?;
    let mut comparison = Comparison::default();
    comparison.add(shop.today.to_string(), Some(shop.orders_today.to_string()), Some(recount.to_string()));
    Ok(comparison)
}

/// What is served, value by value, beside the recount.
#[derive(Default)]
struct Served {
    kept: BTreeMap<String, String>,
    recount: BTreeMap<String, String>,
    pending: BTreeSet<String>,
}

impl Served {
    fn recounted(&mut self, place: String, value: String, pending: bool) {
        if pending {
            self.pending.insert(place.clone());
        }
        self.recount.insert(place, value);
    }

    /// Takes an answer apart; zeros are left out, as a recount has none.
    fn answered(&mut self, place: &str, answer: Value) {
        match answer {
            Value::Null | Value::Bool(false) => {}
            Value::Number(number) if number.as_i64() == Some(0) => {}
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.answered(format!("{place} {name}").trim_start(), value);
                }
            }
            Value::String(text) => {
                self.kept.insert(place.to_owned(), text);
            }
            other => {
                self.kept.insert(place.to_owned(), other.to_string());
            }
        }
    }

    /// Takes an answer apart that has a row for each value of `field`.
    fn answered_rows(&mut self, field: &str, name: impl Fn(&Value) -> String, mut answer: Value) {
        for row in answer["rows"].as_array_mut().into_iter().flatten() {
            let value = row[field].take();
            self.answered(&name(&value), row.take());
        }
    }

    fn compare(mut self) -> Comparison {
        let mut comparison = Comparison::default();
        let places: BTreeSet<String> = self.kept.keys().chain(self.recount.keys()).cloned().collect();
        for place in places {
            if self.pending.contains(&place) {
                comparison.pending += 1;
            } else {
                let (kept, recount) = (self.kept.remove(&place), self.recount.remove(&place));
                comparison.add(place, kept, recount);
            }
        }
        comparison
    }
}

/// A comparison that is under way.
#[derive(Default)]
struct Comparison {
    kept: i64,
    recount: i64,
    difference: i64,
    places: Vec<Place>,
    /// How many values could not be compared.
    pending: usize,
}

impl Comparison {
    fn add(&mut self, place: String, kept: Option<String>, recount: Option<String>) {
        self.kept += i64::from(kept.is_some());
        self.recount += i64::from(recount.is_some());
        if !is_same(kept.as_deref(), recount.as_deref()) {
            self.difference += 1;
            if self.places.len() < TOLD as usize {
                self.places.push(Place { place, kept, recount });
            }
        }
    }

    fn conclude(self, figure: &str, pending: Option<String>) -> Finding {
        let Self { kept, recount, difference, places, pending: _ } = self;
        Finding { figure: figure.to_owned(), kept, recount, difference, places, pending }
    }
}

/// Whether two values are the same; decimals may have come by different zeros at their ends.
fn is_same(kept: Option<&str>, recount: Option<&str>) -> bool {
    kept == recount
        || kept.zip(recount).is_some_and(|(kept, recount)| {
            let decimal = |text: &str| text.parse::<BigDecimal>().ok();
            decimal(kept).is_some_and(|kept| decimal(recount) == Some(kept))
        })
}
