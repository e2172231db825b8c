//! Days of all zones: PostgreSQL knows them, and awkward ones come out right.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::{PgPool, Row};

use crate::app::{App, days, set_shop_timezone, store};

/// An event each so many minutes of a half-open range.
fn every(minutes: i64, from: &str, to: &str) -> Value {
    let (mut time, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
    let mut events = Vec::new();
    while time < to {
        events.push(json!({ "occurred_at": time }));
        time += chrono::TimeDelta::minutes(minutes);
    }
    json!(events)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_belongs_to_the_day_of_the_zone_that_is_asked_for(pool: PgPool) {
    // a quarter of an hour before midnight in UTC+05:45, and right after it
    store(&pool, json!([{ "occurred_at": "2019-03-09T18:14:59.9Z" }, { "occurred_at": "2019-03-09T18:15:00.1Z" }]))
        .await;
    let app = App::start(&pool);
    let kathmandu = app.json("/api/daily?tz=Asia/Kathmandu").await;
    assert_eq!(kathmandu["tz"], "Asia/Kathmandu");
    assert_eq!(days(&kathmandu, "page_view"), [("2019-03-09", 1), ("2019-03-10", 1)]);
    assert_eq!(days(&app.json("/api/daily").await, "page_view"), [("2019-03-09", 2)]);
    let totals = app.json("/api/totals?tz=Asia/Kathmandu&from=2019-03-10").await;
    assert_eq!(totals["first"], "2019-03-09T18:15:00.100000Z");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_shops_own_zone_is_the_default(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-03-09T18:14:59.9Z" }, { "occurred_at": "2019-03-09T18:15:00.1Z" }]))
        .await;
    set_shop_timezone(&pool, "Asia/Kathmandu").await;
    let app = App::start(&pool);
    let shop = app.json("/api/daily").await;
    assert_eq!(shop["tz"], "Asia/Kathmandu");
    assert_eq!(days(&shop, "page_view"), [("2019-03-09", 1), ("2019-03-10", 1)]);
    assert_eq!(days(&app.json("/api/daily?from=2019-03-10").await, "page_view"), [("2019-03-10", 1)]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn days_of_23_and_25_hours_hold_what_happened_in_them(pool: PgPool) {
    store(&pool, every(60, "2019-03-29T00:00:00Z", "2019-04-03T00:00:00Z")).await;
    store(&pool, every(60, "2019-10-26T00:00:00Z", "2019-10-30T00:00:00Z")).await;
    let app = App::start(&pool);
    for (range, expected) in [
        ("from=2019-03-30&to=2019-04-02", [("2019-03-30", 24), ("2019-03-31", 23), ("2019-04-01", 24)]),
        ("from=2019-10-26&to=2019-10-29", [("2019-10-26", 22), ("2019-10-27", 25), ("2019-10-28", 24)]),
    ] {
        for filter in ["", "&user_id=u1"] {
            let daily = app.json(&format!("/api/daily?tz=Europe/Berlin&{range}{filter}")).await;
            assert_eq!(days(&daily, "page_view"), expected, "{range}{filter}");
            let sum: i64 = expected.iter().map(|(_, events)| events).sum();
            let totals = app.json(&format!("/api/totals?tz=Europe/Berlin&{range}{filter}")).await;
            assert_eq!(totals["events"]["page_view"], sum, "{range}{filter}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_day_whose_midnight_comes_twice_begins_with_the_first(pool: PgPool) {
    store(&pool, every(15, "2026-10-30T00:00:00Z", "2026-11-05T00:00:00Z")).await;
    let app = App::start(&pool);
    let havana = app.json("/api/daily?tz=America/Havana&from=2026-10-31&to=2026-11-03").await;
    assert_eq!(days(&havana, "page_view"), [("2026-10-31", 96), ("2026-11-01", 100), ("2026-11-02", 96)]);
    let day = app.json("/api/totals?tz=America/Havana&from=2026-11-01&to=2026-11-02").await;
    assert_eq!(day["first"], "2026-11-01T04:00:00.000000Z");
    assert_eq!(day["events"]["page_view"], 100);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_day_that_the_zone_never_had_is_left_out(pool: PgPool) {
    store(&pool, every(60, "2011-12-28T00:00:00Z", "2012-01-03T00:00:00Z")).await;
    let app = App::start(&pool);
    let apia = app.json("/api/daily?tz=Pacific/Apia&from=2011-12-29&to=2012-01-01").await;
    assert_eq!(days(&apia, "page_view"), [("2011-12-29", 24), ("2011-12-31", 24)]);
    let missing = app.json("/api/daily?tz=Pacific/Apia&from=2011-12-30&to=2011-12-31").await;
    assert_eq!(days(&missing, "page_view"), []);
    let missing = app.json("/api/totals?tz=Pacific/Apia&from=2011-12-30&to=2011-12-31").await;
    assert_eq!(missing["events"]["page_view"], 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_date_that_comes_twice_is_one_day(pool: PgPool) {
    // at 00:01 on the 7th the clocks of St. John's went back to 23:01 on the 6th
    store(&pool, every(1, "2010-11-05T00:00:00Z", "2010-11-09T00:00:00Z")).await;
    let app = App::start(&pool);
    let expected = [("2010-11-06", 24 * 60 + 59), ("2010-11-07", 24 * 60 + 1)];
    for zone in ["UTC", "America/St_Johns"] {
        set_shop_timezone(&pool, zone).await;
        let daily = app.json("/api/daily?tz=America/St_Johns&from=2010-11-06&to=2010-11-08").await;
        assert_eq!(days(&daily, "page_view"), expected);
        for (day, events) in expected {
            let next = day.parse::<NaiveDate>().unwrap().succ_opt().unwrap();
            let path = format!("/api/totals?tz=America/St_Johns&from={day}&to={next}");
            assert_eq!(app.json(&path).await["events"]["page_view"], events, "{path}");
        }
    }
    app.stop().await;
}

/// The bounds of a date, against all quarters of an hour of 25 years.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_dates_bounds_are_the_first_and_last_quarters_of_that_date(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let mut checked = 0;
    for zone in [
        "America/Havana",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Antarctica/Casey",
        "Asia/Gaza",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ] {
        // the days around each change of the clocks, and one a year
        let expected = sqlx::query(
            "with days as (
                 select (q at time zone $1)::date as day, min(q) as starting, max(q) + interval '15 minutes' as ending, count(*) as quarters
                 from generate_series('2010-12-30 00:00Z', '2036-01-03 00:00Z', interval '15 minutes') as q
                 group by 1
             )
             select day, starting, ending
             from (select *, lag(quarters) over nearby as before, lead(quarters) over nearby as after from days window nearby as (order by day)) d
             where day between '2011-01-01' and '2035-12-31'
                 and (quarters <> 96 or before <> 96 or after <> 96 or extract(doy from day) = 1)
             order by day",
        )
        .bind(zone)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        for row in expected {
            let day: NaiveDate = row.get("day");
            let none: Option<DateTime<Utc>> = None;
            let span = sqlx::query(include_str!("../../queries/span.sql"))
                .bind(zone)
                .bind(day)
                .bind(none)
                .bind(day.succ_opt())
                .bind(none)
                .bind(true)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            let bounds: (DateTime<Utc>, DateTime<Utc>) = (span.get("starting"), span.get("ending"));
            assert_eq!(bounds, (row.get("starting"), row.get("ending")), "{day} in {zone}");
            checked += 1;
        }
    }
    assert!(checked > 8 * 25, "{checked}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tomorrow_starts_where_the_shops_date_changes(pool: PgPool) {
    let app = App::start(&pool);
    for zone in ["UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "America/St_Johns"] {
        set_shop_timezone(&pool, zone).await;
        let shop = app.json("/api/shop").await;
        assert_eq!((&shop["tz"], &shop["storefront"]), (&json!(zone), &json!("http://shop.test/")));
        let (before, at): (String, String) = sqlx::query_as(
            "select ((t - interval '1 microsecond') at time zone $2)::date::text, (t at time zone $2)::date::text
             from (select $1::timestamptz as t) s",
        )
        .bind(shop["tomorrow_starts_at"].as_str())
        .bind(zone)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(shop["today"], before.as_str());
        assert_ne!(shop["today"], at.as_str());
        let now: DateTime<Utc> = shop["now"].as_str().unwrap().parse().unwrap();
        assert!((Utc::now() - now).num_seconds().abs() < 10);
    }
    app.stop().await;
}
