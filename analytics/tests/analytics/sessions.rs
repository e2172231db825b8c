//! Sessions: in whatever order and batches their events come, they are what a plain cut of the rows gives.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::types::BigDecimal;
use sqlx::{PgPool, Row};

use crate::app::{App, SESSION_GAP, assert_problem, set_shop_timezone, store};
use crate::random::{Random, ZONES, assert_same, moment, other_zones, pages};

const QUESTIONS: usize = 16;
const EVENTS: usize = 150;

/// Parts of the histogram, as the contract of the page has them.
const UP_TO_SECONDS: [i64; 16] =
    [0, 1, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];

struct Event {
    at: DateTime<Utc>,
    /// Its local date in the zone that is asked about, as PostgreSQL says it.
    day: NaiveDate,
    user: String,
    product: Option<String>,
    event_type: String,
    revenue: Option<(String, BigDecimal)>,
}

#[derive(Clone)]
struct Session {
    start: DateTime<Utc>,
    day: NaiveDate,
    end: DateTime<Utc>,
    user: String,
    events: i64,
    orders: i64,
    amount: BTreeMap<String, BigDecimal>,
}

/// Users whose events follow each other by the gap, a microsecond more or less, or any time.
fn random_events(random: &mut Random, around: DateTime<Utc>) -> Vec<Value> {
    let gap = TimeDelta::from_std(SESSION_GAP).unwrap();
    let mut times: Vec<(String, DateTime<Utc>)> = Vec::new();
    (0..EVENTS)
        .map(|number| {
            let day = TimeDelta::microseconds(random.below(3 * 86_400_000_000) as i64 - 86_400_000_000);
            let (mut user, mut at) = (format!("u{}", random.below(9)), around + day);
            if number > 0 && !random.one_in(4) {
                let (of, after) = &times[random.below(number as u64) as usize];
                let sign = random.pick(&[-1, 1]);
                let pause = match random.below(6) {
                    0 => TimeDelta::zero(),
                    1 => gap,
                    2 => gap + TimeDelta::microseconds(1),
                    3 => gap - TimeDelta::microseconds(1),
                    4 => TimeDelta::seconds(random.below(1_200) as i64),
                    _ => TimeDelta::microseconds(random.below(1_200_000_000) as i64),
                };
                (user, at) = (of.clone(), *after + pause * sign);
            }
            times.push((user.clone(), at));
            json!({
                "occurred_at": at,
                "user_id": user,
                "event_type": random.pick(&["banner_show", "page_view", "cart", "order", "order", "user_update"]),
                "product": random.pick(&[Some("clothes"), Some("sneakers"), None]),
                "status": random.pick(&[Some("completed"), Some("fraud"), None]),
                "amount": (!random.one_in(4)).then(|| format!("{}.{:02}", random.below(100), random.below(100))),
                "currency": random.pick(&["USD", "EUR"]),
            })
        })
        .collect()
}

/// Stores what is in the table of events again, in batches of a random order that are folded now and then.
async fn store_in_batches(random: &mut Random, pool: &PgPool) {
    let batches = 1 + random.below(12) as i64;
    sqlx::raw_sql(
        "drop table if exists waiting, batch;
         create table batch (number bigint);
         create table waiting (number bigint, event events)",
    )
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("insert into waiting select abs(hashtext(event_id::text)) % $1, e from events e")
        .bind(batches)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("truncate events, event_deltas, cell_days, event_chunks").execute(pool).await.unwrap();
    let tz: String = sqlx::query_scalar("select timezone from settings").fetch_one(pool).await.unwrap();
    sqlx::query("update settings set kept_timezone = null").execute(pool).await.unwrap();
    set_shop_timezone(pool, &tz).await;
    for number in 0..batches {
        sqlx::query("truncate batch").execute(pool).await.unwrap();
        sqlx::query("insert into batch values ($1)").bind(number).execute(pool).await.unwrap();
        sqlx::raw_sql(include_str!("append.sql")).execute(pool).await.unwrap();
        if random.one_in(2) {
            consumer::fold_all(pool).await.unwrap();
        }
    }
    consumer::fold_all(pool).await.unwrap();
}

async fn events(pool: &PgPool, tz: &str) -> Vec<Event> {
    let rows = sqlx::query(
        "select occurred_at, (occurred_at at time zone $1)::date as day, user_id, product, event_type, currency,
             revenue(e)::text as revenue
         from events e where event_type <> 'user_update' order by occurred_at",
    )
    .bind(tz)
    .fetch_all(pool)
    .await
    .unwrap();
    let event = |row: sqlx::postgres::PgRow| Event {
        at: row.get("occurred_at"),
        day: row.get("day"),
        user: row.get("user_id"),
        product: row.get("product"),
        event_type: row.get("event_type"),
        revenue: row.get::<Option<String>, _>("revenue").map(|revenue| (row.get("currency"), revenue.parse().unwrap())),
    };
    rows.into_iter().map(event).collect()
}

/// Sessions of the events that pass, in the order of their starts, then their users.
fn cut<'a>(events: impl Iterator<Item = &'a Event>, gap: TimeDelta) -> Vec<Session> {
    let mut open: BTreeMap<&str, Session> = BTreeMap::new();
    let mut sessions = Vec::new();
    for event in events {
        if open.get(event.user.as_str()).is_some_and(|session| event.at - session.end > gap) {
            sessions.extend(open.remove(event.user.as_str()));
        }
        let session = open.entry(&event.user).or_insert_with(|| Session {
            start: event.at,
            day: event.day,
            end: event.at,
            user: event.user.clone(),
            events: 0,
            orders: 0,
            amount: BTreeMap::new(),
        });
        session.end = event.at;
        session.events += 1;
        session.orders += i64::from(event.event_type == "order");
        if let Some((currency, amount)) = &event.revenue {
            *session.amount.entry(currency.clone()).or_default() += amount;
        }
    }
    sessions.extend(open.into_values());
    sessions.sort_by(|a, b| (a.start, &a.user).cmp(&(b.start, &b.user)));
    sessions
}

fn row(session: &Session) -> Value {
    let micros = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let amount: BTreeMap<_, _> =
        session.amount.iter().map(|(currency, sum)| (currency, sum.to_plain_string())).collect();
    json!({
        "window_start": micros(session.start), "window_end": micros(session.end), "group": session.user,
        "events": session.events, "orders": session.orders, "amount": amount,
    })
}

fn figures(sessions: &[Session]) -> Value {
    let mut lengths: Vec<i64> =
        sessions.iter().map(|session| (session.end - session.start).num_microseconds().unwrap()).collect();
    lengths.sort_unstable();
    let some = |seconds: f64| if lengths.is_empty() { Value::Null } else { json!(seconds) };
    let middle = |place: usize| lengths.get(place).copied().unwrap_or(0);
    let median = (middle(lengths.len().saturating_sub(1) / 2) + middle(lengths.len() / 2)) as f64 / 2e6;
    let mut from = -1;
    let mut histogram = Vec::new();
    for up_to in UP_TO_SECONDS.map(Some).into_iter().chain([None]) {
        let end = up_to.map_or(i64::MAX, |seconds| seconds * 1_000_000);
        let sessions = lengths.iter().filter(|length| (from + 1..=end).contains(*length)).count();
        histogram.push(json!({ "up_to_seconds": up_to, "sessions": sessions }));
        from = end;
    }
    json!({
        "sessions": sessions.len(),
        "users": sessions.iter().map(|session| &session.user).collect::<BTreeSet<_>>().len(),
        "events": sessions.iter().map(|session| session.events).sum::<i64>(),
        "with_order": sessions.iter().filter(|session| session.orders > 0).count(),
        "mean_seconds": some(lengths.iter().sum::<i64>() as f64 / 1e6 / lengths.len().max(1) as f64),
        "median_seconds": some(median),
        "histogram": histogram,
        "pending": false,
    })
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_kept_and_served_is_what_a_plain_cut_gives(pool: PgPool) {
    let (seed, mut random) = Random::of_today();
    let others = other_zones(&mut random, &pool).await;
    let app = App::start(&pool);
    let mut sessions = 0;
    for tz in ZONES.into_iter().chain(others.iter().map(String::as_str)) {
        let around = moment(&mut random, tz, &pool).await;
        let shops = random.pick(&[tz, tz, "UTC"]);
        sqlx::query("truncate events, event_deltas, cell_days, event_chunks").execute(&pool).await.unwrap();
        set_shop_timezone(&pool, shops).await;
        store(&pool, json!(random_events(&mut random, around))).await;
        store_in_batches(&mut random, &pool).await;
        let events = events(&pool, tz).await;
        for _ in 0..QUESTIONS {
            let gap = random.pick(&["", "&gap=10m", "&gap=600s", "&gap=7m", "&gap=1h", "&gap=1s"]);
            let seconds = match gap {
                "&gap=7m" => 420,
                "&gap=1h" => 3_600,
                "&gap=1s" => 1,
                _ => 600,
            };
            let filter =
                random.pick(&["", "", "&user_id=u1&user_id=u2&user_id=u1", "&product=clothes", "&user_id=nobody"]);
            let passes = |event: &&Event| match filter {
                "" => true,
                "&product=clothes" => event.product.as_deref() == Some("clothes"),
                "&user_id=nobody" => false,
                _ => ["u1", "u2"].contains(&event.user.as_str()),
            };
            let mut bounds = [0, 1].map(|_| &events[random.below(events.len() as u64) as usize]);
            bounds.sort_by_key(|event| event.at);
            let dated = random.one_in(2);
            let [from, to] = bounds.map(|event| (!random.one_in(3)).then_some(event));
            let text = |event: &Event| {
                if dated {
                    event.day.to_string()
                } else {
                    event.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
                }
            };
            let mut range = format!("tz={tz}{gap}{filter}");
            for (name, bound) in [("from", from), ("to", to)] {
                range += &bound.map_or(String::new(), |event| format!("&{name}={}", text(event)));
            }
            let is_from = |session: &Session, bound: &Event| {
                if dated { session.day >= bound.day } else { session.start >= bound.at }
            };
            let mut expected = cut(events.iter().filter(passes), TimeDelta::seconds(seconds));
            expected.retain(|session| {
                from.is_none_or(|from| is_from(session, from)) && to.is_none_or(|to| !is_from(session, to))
            });
            let told = format!("{range}, shop in {shops}, SHOPWINDOW_SEED={seed}");
            let limit = (expected.len() / (1 + random.below(4) as usize)).max(1);
            let path = format!("/api/windows?kind=session&{range}");
            let rows: Vec<Value> = expected.iter().map(row).collect();
            assert_same(&pages(&app, &path, limit).await, &rows, &told);
            let (mut served, mut right) = (app.json(&format!("/api/sessions?{range}")).await, figures(&expected));
            // as exact as a decimal is that was read again
            for mean in [&mut served, &mut right] {
                mean["mean_seconds"] =
                    mean["mean_seconds"].as_f64().map_or(Value::Null, |mean| json!(mean.mul_add(1e6, 0.5).floor()));
            }
            assert_eq!(served, right, "{told}");
            if gap.is_empty() && filter.is_empty() {
                let totals = app.json(&format!("/api/totals?{range}")).await;
                let lacking = totals["sessions"].is_null();
                assert!(lacking || totals["sessions"] == expected.len(), "{told}: {}", totals["sessions"]);
            }
            sessions += expected.len();
        }
    }
    assert!(sessions > 2_000, "{sessions}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_in_no_session_yet_is_said(pool: PgPool) {
    let app = App::start(&pool);
    let page_view = |at: &str| json!({ "occurred_at": at, "user_id": "u1" });
    store(&pool, json!([page_view("2026-03-01T10:00:00Z"), page_view("2026-03-01T10:20:00Z")])).await;
    let before = app.json("/api/sessions").await;
    assert_eq!((&before["sessions"], &before["pending"]), (&json!(2), &json!(false)));
    sqlx::raw_sql(
        "create table batch as select 1::bigint as number;
         create table waiting as select 1::bigint as number, jsonb_populate_record(e, jsonb_build_object(
             'event_id', gen_random_uuid(), 'occurred_at', '2026-03-01T10:10:00Z')) as event
         from events e limit 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::raw_sql(include_str!("append.sql")).execute(&pool).await.unwrap();

    let range = json!({ "from": "2026-03-01T10:10:00.000000Z", "to": "2026-03-01T10:10:00.000000Z" });
    for path in ["/api/sessions", "/api/windows?kind=session", "/api/totals"] {
        assert_eq!(app.json(path).await["pending"], range, "{path}");
    }
    consumer::fold_all(&pool).await.unwrap();
    let after = app.json("/api/sessions").await;
    assert_eq!((&after["sessions"], &after["pending"]), (&json!(1), &json!(false)));
    assert_eq!(after["mean_seconds"], 1_200.0);
    assert_eq!(app.json("/api/totals").await["sessions"], 1);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn another_gap_of_the_shop_cuts_its_sessions_anew(pool: PgPool) {
    let app = App::start(&pool);
    let order = |at: &str| json!({ "occurred_at": at, "user_id": "u1", "event_type": "order" });
    store(&pool, json!([order("2026-03-01T10:00:00Z"), order("2026-03-01T10:20:00Z")])).await;
    assert_eq!(app.json("/api/sessions").await["sessions"], 2);
    consumer::set_session_gap(&pool, std::time::Duration::from_secs(1_200)).await.unwrap();
    consumer::fold_all(&pool).await.unwrap();
    assert_eq!(app.json("/api/sessions").await["sessions"], 1, "the shop's gap");
    let recount = app.json("/api/sql/sessions/run").await;
    assert_eq!(recount["rows"][0][0], "1", "the shop's gap in SQL: {recount}");
    assert_eq!(app.json("/api/sessions?gap=10m").await["sessions"], 2, "from the rows");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_gap_or_a_cursor_that_is_none_is_said(pool: PgPool) {
    let app = App::start(&pool);
    for (path, quoted) in [
        ("/api/sessions?gap=1d", "1d"),
        ("/api/sessions?gap=0s", "0s"),
        ("/api/sessions?gap=ten", "ten"),
        ("/api/windows?kind=session&cursor=abc", "abc"),
        ("/api/windows?kind=session&group_by=product", "product"),
        ("/api/windows?kind=session&size=1h", "1h"),
    ] {
        assert_problem(&app.get(path).await, 400, quoted);
    }
    app.stop().await;
}
