//! Windows of time: whatever is asked, they hold what a plain count of the rows puts into them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::types::BigDecimal;
use sqlx::{PgPool, Row};

use crate::app::{App, recount_half, set_shop_timezone, store};
use crate::random::{Random, ZONES, assert_same, moment, other_zones, pages};

const QUESTIONS: usize = 12;

/// An event as the plain count sees it.
struct Event {
    at: DateTime<Utc>,
    /// Its local date, as PostgreSQL says it.
    day: NaiveDate,
    /// The weekday, from Monday, 1, and the hour in which its quarter of an hour begins, as PostgreSQL says it.
    hour: (i32, i32),
    event: Value,
}

impl Event {
    fn text(&self, field: &str) -> Option<&str> {
        self.event[field].as_str()
    }

    fn revenue(&self) -> Option<(String, BigDecimal)> {
        let failed = ["fraud", "failed_payment"].contains(&self.text("status").unwrap_or(""));
        if self.text("event_type") != Some("order") || failed {
            return None;
        }
        Some((self.text("currency")?.to_owned(), self.text("amount")?.parse().unwrap()))
    }
}

/// A question, in its own words.
#[derive(Clone, Debug, Default)]
struct Question {
    tz: String,
    size: &'static str,
    advance: Option<&'static str>,
    by: Option<&'static str>,
    filters: Vec<(&'static str, &'static str)>,
    from: Option<String>,
    to: Option<String>,
}

impl Question {
    fn path(&self) -> String {
        let kind = if self.advance.is_some() { "hopping" } else { "tumbling" };
        let mut path = format!("/api/windows?{}&kind={kind}&size={}", self.range(), self.size);
        for (name, value) in [("advance", self.advance), ("group_by", self.by)] {
            if let Some(value) = value {
                path += &format!("&{name}={value}");
            }
        }
        path
    }

    /// Which events it is about, as parameters.
    fn range(&self) -> String {
        let mut range = format!("tz={}", self.tz);
        let bounds = [("from", self.from.as_deref()), ("to", self.to.as_deref())];
        let bounds = bounds.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in bounds.chain(self.filters.iter().copied()) {
            range += &format!("&{name}={value}");
        }
        range
    }

    fn takes(&self, event: &Event) -> bool {
        let names: BTreeSet<_> = self.filters.iter().map(|(name, _)| name).collect();
        event.text("event_type") != Some("user_update")
            && names.iter().all(|name| {
                self.filters.iter().any(|(filter, value)| filter == *name && event.text(filter) == Some(value))
            })
            && self.from.as_ref().is_none_or(|from| event.is_from(from))
            && self.to.as_ref().is_none_or(|to| !event.is_from(to))
    }
}

impl Event {
    fn is_from(&self, bound: &str) -> bool {
        match bound.parse::<NaiveDate>() {
            Ok(date) => self.day >= date,
            Err(_) => self.at >= bound.parse::<DateTime<Utc>>().unwrap(),
        }
    }
}

/// What the rows of an answer must be: by start, group and end.
async fn count_plainly(question: &Question, events: &[Event], pool: &PgPool) -> Vec<Value> {
    type Sums = (i64, i64, BTreeMap<String, BigDecimal>);
    let advance = question.advance.unwrap_or(question.size);
    let picked: Vec<&Event> = events.iter().filter(|event| question.takes(event)).collect();
    let (number, unit) = parts(question.size);
    /// An instant, or the start of a date.
    type Edge = Result<DateTime<Utc>, NaiveDate>;
    let mut windows: BTreeMap<(Edge, Edge, bool, Option<&str>), Sums> = BTreeMap::new();
    let mut add = |start, end, event: &Event, group| {
        let sums: &mut Sums = windows.entry((start, end, Option::is_none(&group), group)).or_default();
        sums.0 += 1;
        sums.1 += i64::from(event.text("event_type") == Some("order"));
        if let Some((currency, amount)) = event.revenue() {
            *sums.2.entry(currency).or_default() += amount;
        }
    };
    if let Some(size) = clock(number, unit) {
        let (number, unit) = parts(advance);
        let advance = clock(number, unit).unwrap();
        for event in &picked {
            let group = question.by.and_then(|by| event.text(by));
            let mut start = event.at.timestamp() / advance * advance;
            while start + size > event.at.timestamp() {
                let time = |seconds| Ok(DateTime::from_timestamp(seconds, 0).unwrap());
                add(time(start), time(start + size), event, group);
                start -= advance;
            }
        }
    } else if let (Some(first), Some(last)) =
        (picked.iter().map(|event| event.day).min(), picked.iter().map(|event| event.day).max())
    {
        let starts = (0..).map(|count| step(advance, origin(advance), count)).take_while(|start| *start <= last);
        let dates: Vec<_> =
            starts.map(|start| (start, step(question.size, start, 1))).filter(|(_, end)| *end > first).collect();
        for event in &picked {
            let group = question.by.and_then(|by| event.text(by));
            for (start, end) in &dates {
                if (start..end).contains(&&event.day) {
                    add(Err(*start), Err(*end), event, group);
                }
            }
        }
    }
    let dates: BTreeSet<NaiveDate> = windows
        .keys()
        .flat_map(|(start, end, ..)| [start, end])
        .filter_map(|edge| edge.as_ref().err())
        .copied()
        .collect();
    let begins = day_starts(&dates, &question.tz, pool).await;
    let instant = |edge: &Edge| match edge {
        Ok(time) => *time,
        Err(date) => begins[date],
    };
    let mut rows: Vec<_> = windows
        .iter()
        .map(|((start, end, ungrouped, group), (events, orders, amount))| {
            let amount: BTreeMap<_, _> =
                amount.iter().map(|(currency, sum)| (currency, sum.to_plain_string())).collect();
            let (starts, ends) = (instant(start), instant(end));
            let row = json!({
                "window_start": micros(starts), "window_end": micros(ends), "group": group,
                "events": events, "orders": orders, "amount": amount,
            });
            ((starts, *ungrouped, *group, *start, *end), row)
        })
        .collect();
    rows.sort_by_key(|row| row.0);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What the rows of the question's heatmap must be.
fn hours_plainly(question: &Question, events: &[Event]) -> Vec<Value> {
    type Sums = (BTreeMap<String, i64>, BTreeMap<String, BigDecimal>);
    let mut hours: BTreeMap<(i32, i32), Sums> = BTreeMap::new();
    for event in events.iter().filter(|event| question.takes(event)) {
        let (counts, amounts) = hours.entry(event.hour).or_default();
        *counts.entry(event.text("event_type").unwrap().to_owned()).or_default() += 1;
        if let Some((currency, amount)) = event.revenue() {
            *amounts.entry(currency).or_default() += amount;
        }
    }
    let types = ["banner_show", "banner_click", "page_view", "product_view", "cart", "cart_remove", "order"];
    let row = |((weekday, hour), (counts, amounts)): ((i32, i32), Sums)| {
        let amounts: BTreeMap<_, _> = amounts.iter().map(|(currency, sum)| (currency, sum.to_plain_string())).collect();
        let mut row = json!({"weekday": weekday, "hour": hour, "amount": amounts});
        for name in types {
            row[name] = counts.get(name).copied().unwrap_or_default().into();
        }
        row
    };
    hours.into_iter().map(row).collect()
}

fn micros(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn parts(length: &str) -> (i64, &str) {
    let digits = length.find(|c: char| !c.is_ascii_digit()).unwrap();
    (length[..digits].parse().unwrap(), &length[digits..])
}

fn clock(number: i64, unit: &str) -> Option<i64> {
    Some(
        number
            * match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                _ => return None,
            },
    )
}

fn origin(length: &str) -> NaiveDate {
    NaiveDate::from_ymd_opt(1970, 1, if parts(length).1 == "w" { 5 } else { 1 }).unwrap()
}

/// The date so many times the length after another.
fn step(length: &str, from: NaiveDate, count: u32) -> NaiveDate {
    let (number, unit) = parts(length);
    let number = number as u32 * count;
    match unit {
        "d" => from + Days::new(number.into()),
        "w" => from + Days::new(7 * u64::from(number)),
        "mo" => from + Months::new(number),
        _ => unreachable!("{length}"),
    }
}

/// When the dates begin: the first quarter of an hour that is of the date, or of a later one. (Before 2011
/// St. John's set its clocks back at one minute past midnight, so that some dates begin twice.)
async fn day_starts(dates: &BTreeSet<NaiveDate>, tz: &str, pool: &PgPool) -> BTreeMap<NaiveDate, DateTime<Utc>> {
    let starts = sqlx::query_as(
        "select day, case when day < '2011-01-01' then day_start(day, $2) else min(quarter) end
         from unnest($1::date[]) as day,
             generate_series(day::timestamp at time zone 'UTC' - interval '27 hours', day::timestamp at time zone 'UTC' + interval '51 hours', interval '15 minutes') as quarter
         where (quarter at time zone $2)::date >= day
         group by day",
    )
    .bind(dates.iter().copied().collect::<Vec<_>>())
    .bind(tz)
    .fetch_all(pool)
    .await
    .unwrap();
    starts.into_iter().collect()
}

/// Events around a moment: any order, many at the same time or at the edge of a quarter, an hour or a day.
fn random_events(random: &mut Random, around: DateTime<Utc>, reach: TimeDelta) -> Vec<Value> {
    let mut times: Vec<DateTime<Utc>> = Vec::new();
    let mut events = Vec::new();
    for number in 0..200 {
        let micros = random.below(2 * reach.num_microseconds().unwrap() as u64) as i64;
        let mut time = around - reach + TimeDelta::microseconds(micros);
        match random.below(5) {
            0 if number > 0 => time = random.pick(&times),
            1 => time = edge(time, 900),
            2 => time = edge(time, 3_600) - TimeDelta::microseconds(random.below(2) as i64),
            3 => time = around + TimeDelta::microseconds(random.below(7_200_000_000) as i64 - 3_600_000_000),
            _ => {}
        }
        times.push(time);
        let event_type =
            random.pick(&["banner_show", "banner_click", "page_view", "cart", "order", "order", "user_update"]);
        let currency = random.pick(&["USD", "EUR"]);
        let amount = match currency {
            "USD" => format!("{}.{:02}", random.below(100), random.below(100)),
            _ => format!("{}.{:03}", random.below(100), random.below(1000)),
        };
        events.push(json!({
            "occurred_at": time,
            "event_type": event_type,
            "user_id": format!("u{}", random.below(7)),
            "product": random.pick(&[Some("clothes"), Some("sneakers"), Some("Zebra"), None]),
            "site_version": random.pick(&[Some("desktop"), Some("mobile"), None]),
            "source": random.pick(&["a", "b"]),
            "brand": random.pick(&[Some("acme"), Some("Ümlaut"), Some("zeta"), None]),
            "status": random.pick(&[Some("completed"), Some("fraud"), Some("failed_payment"), None]),
            "amount": (!random.one_in(5)).then_some(amount),
            "currency": currency,
            "country": "XX",
        }));
    }
    events
}

fn edge(time: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp() / seconds * seconds, 0).unwrap()
}

fn random_question(random: &mut Random, tz: &str, events: &[Event]) -> Question {
    let clock = [
        ("1s", None),
        ("90s", None),
        ("15m", None),
        ("1h", None),
        ("45m", Some("30m")),
        ("1h", Some("30m")),
        ("7h", Some("2h")),
        ("100s", Some("30s")),
        ("24h", None),
        ("100h", Some("45m")),
        ("8784h", Some("400h")),
    ];
    let calendar = [
        ("1d", None),
        ("2d", None),
        ("7d", None),
        ("1w", None),
        ("2w", None),
        ("1mo", None),
        ("3mo", None),
        ("12mo", None),
        ("2d", Some("1d")),
        ("3d", Some("2d")),
        ("1w", Some("1d")),
        ("3mo", Some("1mo")),
        ("1mo", Some("1w")),
        ("366d", Some("5d")),
    ];
    let (size, advance) = if random.one_in(2) { random.pick(&clock) } else { random.pick(&calendar) };
    let by = random.pick(&[None, Some("none"), Some("product"), Some("event_type"), Some("user_id"), Some("brand")]);
    let mut filters = Vec::new();
    for _ in 0..random.below(3) {
        filters.push(random.pick(&[
            ("product", "clothes"),
            ("product", "sneakers"),
            ("event_type", "order"),
            ("source", "a"),
            ("user_id", "u1"),
            ("user_id", "u2"),
            ("brand", "acme"),
        ]));
    }
    let mut bounds: Vec<(DateTime<Utc>, String)> = (0..2)
        .map(|_| {
            let event = &events[random.below(events.len() as u64) as usize];
            match random.below(4) {
                0 => (edge(event.at, 900), micros(edge(event.at, 900))),
                1 => (event.at, micros(event.at)),
                _ => (event.at, event.day.to_string()),
            }
        })
        .collect();
    bounds.sort();
    let [from, to] = [0, 1].map(|bound: usize| (!random.one_in(3)).then(|| bounds[bound].1.clone()));
    // an instant and the date it is on are in any order
    let to = to.filter(|to| from.as_ref().is_none_or(|from| (from.len() == 10) == (to.len() == 10)));
    Question { tz: tz.to_owned(), size, advance, by, filters, from, to }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_served_is_what_a_plain_count_gives(pool: PgPool) {
    let (seed, mut random) = Random::of_today();
    let others = other_zones(&mut random, &pool).await;
    let app = App::start(&pool);
    let mut rows = 0;
    for tz in ZONES.into_iter().chain(others.iter().map(String::as_str)) {
        let around = moment(&mut random, tz, &pool).await;
        let reach = random.pick(&[TimeDelta::hours(30), TimeDelta::days(20), TimeDelta::days(300)]);
        let shops = random.pick(&[tz, "UTC", "Asia/Kathmandu"]);
        sqlx::query("truncate events, event_deltas, cell_days").execute(&pool).await.unwrap();
        set_shop_timezone(&pool, shops).await;
        store(&pool, json!(random_events(&mut random, around, reach))).await;
        if !random.one_in(3) {
            recount_half(&pool).await;
        }
        let events: Vec<Event> =
            sqlx::query("select occurred_at, (occurred_at at time zone $1)::date as day, extract(isodow from quarter)::int as weekday, extract(hour from quarter)::int as hour, to_jsonb(e) || jsonb_build_object('amount', amount::text) as event
                 from events e, lateral (select date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone $1 as quarter) q")
                .bind(tz)
                .fetch_all(&pool)
                .await
                .unwrap()
                .into_iter()
                .map(|row| Event {
                    at: row.get("occurred_at"),
                    day: row.get("day"),
                    hour: (row.get("weekday"), row.get("hour")),
                    event: row.get("event"),
                })
                .collect();
        for _ in 0..QUESTIONS {
            let question = random_question(&mut random, tz, &events);
            let expected = count_plainly(&question, &events, &pool).await;
            let limit = (expected.len() / (1 + random.below(12) as usize)).max(1);
            let path = question.path();
            let told = format!("{path} limit={limit}, shop in {shops}, SHOPWINDOW_SEED={seed}");
            assert_same(&pages(&app, &path, limit).await, &expected, &told);
            // no kept count knows countries
            assert_same(&pages(&app, &format!("{path}&country=XX"), limit).await, &expected, &format!("rows: {told}"));
            rows += expected.len();

            let expected = hours_plainly(&question, &events);
            for rows in ["", "&country=XX"] {
                let path = format!("/api/heatmap?{}{rows}", question.range());
                let hours = app.json(&path).await;
                assert_same(hours["rows"].as_array().unwrap(), &expected, &format!("{path}: {told}"));
            }
        }
    }
    assert!(rows > 10_000, "{rows}");
    app.stop().await;
}
