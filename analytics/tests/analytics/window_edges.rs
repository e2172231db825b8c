//! Windows at the edges of days, ranges and pages, with what must come out written by hand.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, assert_problem, recount_half, store};
use crate::random::pages;

/// The rows of an answer: start, end, group and events.
async fn windows(app: &App, query: &str) -> Vec<(String, String, Option<String>, i64)> {
    let text = |value: &Value| value.as_str().map(|text| text.replace(".000000Z", "Z"));
    let answer = app.json(&format!("/api/windows?{query}")).await;
    assert_eq!(answer["next"], json!(null));
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let events = row["events"].as_i64().unwrap();
        (text(&row["window_start"]).unwrap(), text(&row["window_end"]).unwrap(), text(&row["group"]), events)
    })
    .collect()
}

fn ungrouped(start: &str, end: &str, events: i64) -> (String, String, Option<String>, i64) {
    (start.into(), end.into(), None, events)
}

/// An event each half hour of a half-open range.
async fn store_half_hours(pool: &PgPool, from: &str, to: &str) {
    let times: Vec<String> = sqlx::query_scalar(
        "select to_char(t at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
         from generate_series($1::timestamptz, $2::timestamptz - interval '1 second', interval '30 minutes') as t",
    )
    .bind(from)
    .bind(to)
    .fetch_all(pool)
    .await
    .unwrap();
    store(pool, times.iter().map(|time| json!({ "occurred_at": time, "country": "XX" })).collect()).await;
}

/// Where it is counted from makes no difference: kept counts, the events in columns, or the rows.
const SOURCES: [&str; 3] = ["", "&user_id=u1", "&country=XX"];

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_orders_around_a_midnight_are_on_two_days(pool: PgPool) {
    // midnight in UTC+05:45
    let order = |time: &str| {
        json!({
            "occurred_at": time, "event_type": "order", "amount": "2.50", "currency": "USD", "product": "clothes", "country": "XX"
        })
    };
    store(&pool, json!([order("2019-03-09T18:14:59.9Z"), order("2019-03-09T18:15:00.1Z")])).await;
    let app = App::start(&pool);
    for source in SOURCES {
        let path = format!("/api/windows?kind=tumbling&size=1d&tz=Asia/Kathmandu&group_by=product{source}");
        let day = |start: &str, end: &str| {
            json!({
                "window_start": start, "window_end": end, "group": "clothes", "events": 1, "orders": 1, "amount": { "USD": "2.50" }
            })
        };
        let expected = json!([
            day("2019-03-08T18:15:00.000000Z", "2019-03-09T18:15:00.000000Z"),
            day("2019-03-09T18:15:00.000000Z", "2019-03-10T18:15:00.000000Z"),
        ]);
        assert_eq!(app.json(&path).await["rows"], expected, "{path}");
        let utc = windows(&app, &format!("kind=tumbling&size=1d&tz=UTC{source}")).await;
        assert_eq!(utc, [ungrouped("2019-03-09T00:00:00Z", "2019-03-10T00:00:00Z", 2)]);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_day_is_as_long_as_its_zone_has_it(pool: PgPool) {
    store_half_hours(&pool, "2019-03-30T12:00:00Z", "2019-04-08T00:00:00Z").await;
    store_half_hours(&pool, "2019-10-05T00:00:00Z", "2019-10-29T00:00:00Z").await;
    let app = App::start(&pool);
    for (tz, from, to, start, end, events) in [
        ("Europe/Berlin", "2019-03-31", "2019-04-01", "2019-03-30T23:00:00Z", "2019-03-31T22:00:00Z", 46),
        ("Europe/Berlin", "2019-10-27", "2019-10-28", "2019-10-26T22:00:00Z", "2019-10-27T23:00:00Z", 50),
        ("Australia/Lord_Howe", "2019-04-07", "2019-04-08", "2019-04-06T13:00:00Z", "2019-04-07T13:30:00Z", 49),
        ("Australia/Lord_Howe", "2019-10-06", "2019-10-07", "2019-10-05T13:30:00Z", "2019-10-06T13:00:00Z", 47),
    ] {
        for source in SOURCES {
            let query = format!("kind=tumbling&size=1d&tz={tz}&from={from}&to={to}{source}");
            assert_eq!(windows(&app, &query).await, [ungrouped(start, end, events)], "{query}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_date_that_the_zone_never_had_takes_no_time(pool: PgPool) {
    // Apia went from UTC-10 to UTC+14 at the end of the 29th
    store_half_hours(&pool, "2011-12-28T10:00:00Z", "2012-01-02T10:00:00Z").await;
    let app = App::start(&pool);
    let [before, gone, after] = ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"];
    for source in SOURCES {
        let days = windows(&app, &format!("kind=tumbling&size=1d&tz=Pacific/Apia&to=2012-01-02{source}")).await;
        let expected = [
            ungrouped("2011-12-28T10:00:00Z", before, 48),
            ungrouped(before, gone, 48),
            ungrouped(gone, after, 48),
            ungrouped(after, "2012-01-01T10:00:00Z", 48),
        ];
        assert_eq!(days, expected, "{source}");

        // windows from the 29th, the 30th that never was, and the 31st: the last two start at once
        let query = format!(
            "kind=hopping&size=2d&advance=1d&tz=Pacific/Apia&from=2011-12-29&to=2012-01-01&group_by=source{source}"
        );
        let end = "2012-01-01T10:00:00Z";
        let of = |(start, end, _, events)| (start, end, Some("test".to_owned()), events);
        let expected = [
            ungrouped("2011-12-28T10:00:00Z", gone, 48),
            ungrouped(before, gone, 48),
            ungrouped(gone, after, 48),
            ungrouped(gone, end, 48),
        ];
        assert_eq!(windows(&app, &query).await, expected.map(of), "{source}");
        let rows = app.json(&format!("/api/windows?{query}")).await["rows"].clone();
        assert_eq!(json!(pages(&app, &format!("/api/windows?{query}"), 1).await), rows, "{source}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn windows_at_the_edge_of_the_range_hold_what_is_in_the_range(pool: PgPool) {
    store_half_hours(&pool, "2019-03-01T00:00:00Z", "2019-03-01T06:00:00Z").await;
    let app = App::start(&pool);
    for source in SOURCES {
        let query =
            format!("kind=hopping&size=2h&advance=1h&from=2019-03-01T01:30:00Z&to=2019-03-01T02:30:00.000001Z{source}");
        let expected = [
            ungrouped("2019-03-01T00:00:00Z", "2019-03-01T02:00:00Z", 1),
            ungrouped("2019-03-01T01:00:00Z", "2019-03-01T03:00:00Z", 3),
            ungrouped("2019-03-01T02:00:00Z", "2019-03-01T04:00:00Z", 2),
        ];
        assert_eq!(windows(&app, &query).await, expected, "{query}");
    }
    let nothing = windows(&app, "kind=tumbling&size=1mo&from=2020-01-01").await;
    assert_eq!(nothing, []);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn groups_come_in_the_order_of_their_bytes_and_changes_of_users_in_none(pool: PgPool) {
    let event = |product: Value| json!({ "occurred_at": "2019-03-01T00:00:00Z", "product": product, "brand": product });
    let mut events: Vec<Value> =
        ["é", "b", "B", "a b", "ab"].into_iter().map(|product| event(json!(product))).collect();
    events.push(event(json!(null)));
    events.push(
        json!({ "occurred_at": "2019-03-01T00:00:00Z", "event_type": "user_update", "product": "c", "brand": "c" }),
    );
    store(&pool, json!(events)).await;
    let app = App::start(&pool);
    for by in ["product", "brand"] {
        let path = format!("/api/windows?kind=tumbling&size=1h&group_by={by}");
        let groups: Vec<Value> = pages(&app, &path, 2).await.iter().map(|row| row["group"].clone()).collect();
        assert_eq!(json!(groups), json!(["B", "a b", "ab", "b", "é", null]));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_are_read_only_where_nothing_that_is_kept_suffices(pool: PgPool) {
    store_half_hours(&pool, "2019-03-01T00:00:00Z", "2019-03-02T00:00:00Z").await;
    recount_half(&pool).await;
    sqlx::query("truncate events").execute(&pool).await.unwrap();
    let app = App::start(&pool);
    for (query, events) in [
        ("size=1d", 48),
        ("size=1d&tz=Asia/Kathmandu&from=2019-03-01", 48),
        ("size=15m&group_by=source", 48),
        ("size=1s", 48),
        ("size=1h&group_by=user_id", 48),
        ("size=1h&user_id=u1&from=2019-03-01T00:00:00.000001Z", 47),
        ("size=1h&user_id=u2", 0),
        ("size=1h&group_by=country", 0),
        ("size=1h&country=XX", 0),
    ] {
        let rows = windows(&app, &format!("kind=tumbling&{query}")).await;
        assert_eq!(rows.iter().map(|row| row.3).sum::<i64>(), events, "{query}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_cannot_be_a_window_is_a_400_that_quotes_it_and_says_what_can(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-03-01T00:00:00Z" }, { "occurred_at": "2019-03-01T01:00:00Z" }])).await;
    let app = App::start(&pool);
    let next = app.json("/api/windows?kind=tumbling&size=1h&limit=1").await["next"].as_str().unwrap().to_owned();
    // [1e18, null], [17, null]
    let (far, off) = ("WzEwMDAwMDAwMDAwMDAwMDAwMDAsbnVsbF0", "WzE3LG51bGxd");
    for (query, quotes) in [
        ("size=1h", "\"kind\" is missing"),
        ("kind=sliding&size=1h", "\"sliding\" is none of tumbling, hopping, session"),
        ("kind=tumbling", "\"size\" is missing"),
        ("kind=tumbling&size=0h", "size \"0h\""),
        ("kind=tumbling&size=367d", "size \"367d\" is not a number and one of s, m, h, d, w and mo, from 1s to 366d"),
        ("kind=tumbling&size=1.5h", "size \"1.5h\""),
        ("kind=tumbling&size=h", "size \"h\""),
        ("kind=tumbling&size=1h&size=2h", "size \"2h\""),
        ("kind=tumbling&size=1h&advance=30m", "advance \"30m\" is for kind=hopping"),
        ("kind=tumbling&size=1h&gap=30m", "gap \"30m\" is for kind=session"),
        ("kind=hopping&size=1h", "\"advance\" is missing"),
        ("kind=hopping&size=1h&advance=2h", "advance \"2h\" is longer than size \"1h\""),
        ("kind=hopping&size=1mo&advance=30d", "advance \"30d\" is longer than size \"1mo\" or may be"),
        ("kind=hopping&size=1d&advance=12h", "size \"1d\" and advance \"12h\""),
        ("kind=hopping&size=1d&advance=12h", "24h instead of 1d"),
        ("kind=session&size=1h", "size \"1h\" is for kind=tumbling"),
        ("kind=session&gap=1d", "gap \"1d\" is of the calendar"),
        ("kind=session&group_by=product", "group_by \"product\""),
        ("kind=tumbling&size=1h&group_by=colour", "group_by \"colour\" is none of none, event_type"),
        ("kind=tumbling&size=1h&limit=50001", "limit \"50001\""),
        ("kind=tumbling&size=1h&limit=0", "limit \"0\""),
        ("kind=tumbling&size=1h&page=2", "\"page\""),
        ("kind=tumbling&size=1h&cursor=MQ", "cursor \"MQ\""),
        ("kind=tumbling&size=1h&cursor=?", "cursor \"?\""),
        (&format!("kind=tumbling&size=1h&cursor={off}"), off),
        (&format!("kind=tumbling&size=7h&cursor={next}"), &next),
        (&format!("kind=tumbling&size=1s&cursor={far}"), far),
        (&format!("kind=tumbling&size=1d&cursor={far}"), far),
    ] {
        assert_problem(&app.get(&format!("/api/windows?{query}")).await, 400, quotes);
    }
    let last = app.json(&format!("/api/windows?kind=tumbling&size=1h&limit=1&cursor={next}")).await;
    assert_eq!(last["rows"][0]["window_start"], "2019-03-01T01:00:00.000000Z");
    assert_eq!(last["next"], json!(null));
    app.stop().await;
}
