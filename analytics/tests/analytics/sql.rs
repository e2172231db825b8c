//! The queries in `sql/`, the functions behind them, and what the page shows of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

use crate::app::{App, set_shop_timezone, store};
use crate::imports::store_an_import;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The queries in a folder of the checkout, with their names.
fn queries(folder: &str) -> BTreeMap<String, String> {
    let files = checkout().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().into(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Every row of a query as an array of what is in its columns.
async fn rows(pool: &PgPool, query: &str) -> Vec<Value> {
    let query = query.trim_end().trim_end_matches(';');
    let wrapped = format!(
        "select coalesce(json_agg((select json_agg(value) from json_each(row_to_json(q)))), '[]') from (\n{query}\n) q"
    );
    let found: Value = sqlx::query_scalar(AssertSqlSafe(wrapped)).fetch_one(pool).await.unwrap();
    found.as_array().unwrap().clone()
}

/// Windows as (start, end, group, events, orders, amount), times in UTC.
async fn windows(pool: &PgPool, call: &str) -> Vec<Value> {
    rows(
        pool,
        &format!(
            "select to_char(window_start at time zone 'UTC', 'MM-DD HH24:MI:SS'),
                 to_char(window_end at time zone 'UTC', 'MM-DD HH24:MI:SS'), \"group\", events, orders, amount
             from {call}"
        ),
    )
    .await
}

async fn refusal(pool: &PgPool, call: &str) -> String {
    let query = format!("select * from {call}");
    sqlx::query(AssertSqlSafe(query)).fetch_all(pool).await.unwrap_err().to_string()
}

fn at(times: &[&str]) -> Value {
    times.iter().map(|time| json!({ "occurred_at": time })).collect()
}

/// A morning of three users, with something for every question.
async fn store_a_morning(pool: &PgPool) {
    let now = chrono::Utc::now();
    let event = |minute: i64, user: &str, event_type: &str, more: Value| {
        let mut event = json!({ "occurred_at": now - chrono::TimeDelta::minutes(50 - minute),
                                "user_id": user, "event_type": event_type });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let shoes = |more: Value| {
        let mut all = json!({ "product": "sneakers", "brand": "b1", "category": "wear.shoes", "state": "Ohio", "city": "Kent",
                              "country": "USA", "site_version": "mobile", "currency": "USD", "page_id": "p1" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    store(
        pool,
        json!([
            event(0, "ann", "banner_show", shoes(json!({}))),
            event(1, "ann", "banner_click", shoes(json!({}))),
            event(2, "ann", "order", shoes(json!({ "price": "5.00", "quantity": 2, "amount": "10.00" }))),
            event(12, "ann", "order", shoes(json!({ "amount": "20.50", "status": "completed" }))),
            event(13, "ann", "order", shoes(json!({ "amount": "99", "status": "FRAUD" }))),
            event(
                14,
                "ann",
                "order",
                json!({ "product": "clothes", "amount": "7", "currency": "EUR", "state": "Ohio" })
            ),
            event(20, "bob", "banner_show", json!({ "product": "sports_nutrition", "site_version": "desktop" })),
            event(21, "bob", "banner_click", json!({ "product": "sports_nutrition", "site_version": "desktop" })),
            event(22, "bob", "page_view", json!({ "page_id": "p2" })),
            event(23, "bob", "page_view", json!({ "page_id": "p2" })),
            event(
                24,
                "bob",
                "cart",
                json!({ "device": "Mobile", "os": "iOS", "price": "3", "quantity": 2, "currency": "USD" })
            ),
            event(30, "cid", "banner_click", shoes(json!({}))),
            event(31, "cid", "user_update", json!({})),
            event(
                32,
                "ann",
                "user_update",
                json!({ "region": "North", "gender": "FEMALE", "attributes": { "registertime": 0 } })
            ),
        ]),
    )
    .await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_queries_answer_what_they_say(pool: PgPool) {
    store_a_morning(&pool).await;
    let queries = queries("sql");
    for (name, expected) in [
        ("sales_by_product", json!([["sneakers", "USD", 3, 30.50, 15.25], ["clothes", "EUR", 1, 7, 7.00]])),
        (
            "sales_by_region_and_gender",
            json!([["North", "FEMALE", "USD", 3, 30.50, 15.25], ["North", "FEMALE", "EUR", 1, 7, 7.00]]),
        ),
        ("sales_by_region", json!([["North", "USD", 3, 1, 30.50], ["North", "EUR", 1, 1, 7]])),
        ("users_by_region", json!([["North", 1, "1970-01-01T00:00:00+00:00"], [null, 1, null]])),
        ("average_order_value_by_state", json!([["Ohio", "USD", 2, 15.25], ["Ohio", "EUR", 1, 7.00]])),
        ("revenue_by_brand_last_hour", json!([["b1", "USD", 30.50], [null, "EUR", 7]])),
        ("orders_by_status", json!([[null, false, 2], ["FRAUD", true, 1], ["completed", false, 1]])),
        ("revenue_by_country_and_city", json!([["USA", null, "USD", 3, 30.50], ["USA", "Kent", "USD", 3, 30.50]])),
        ("top_customers", json!([["ann", "USD", 3, 30.50], ["ann", "EUR", 1, 7]])),
        ("views_per_user_and_page", json!([["bob", "p2", 2]])),
        ("conversion_rate", json!([[3, 1, 33.33]])),
        ("funnel", json!([["1 view", 4, 2, null], ["2 interest", 4, 3, 150.00], ["3 order", 4, 1, 33.33]])),
        ("most_ordered_now", json!([["sneakers", 3], ["clothes", 1]])),
        ("ordered_products", json!([["sneakers", 3, 6], ["clothes", 1, 1], ["sports_nutrition", 0, 2]])),
        ("clicked_and_never_ordered", json!([[3, 2]])),
        ("most_clicked_and_not_ordered", json!([["sneakers", 1, 2], ["sports_nutrition", 1, 1]])),
        ("cart_value_by_device", json!([["Mobile", "iOS", "USD", 1, 6]])),
        ("bestseller", json!([["sneakers", 3]])),
        ("category_report", json!([["wear", 6, 0, 0, 3]])),
    ] {
        assert_eq!(json!(rows(&pool, &queries[name]).await), expected, "{name}");
    }
    let sessions = rows(&pool, &queries["order_sessions_per_user"]).await;
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!(session[3], 4, "a pause of exactly ten minutes stays in the session");
    assert_eq!(session[4], json!({ "EUR": "7", "USD": "30.50" }));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_query_of_the_documentation_runs_and_is_the_file_of_its_name(pool: PgPool) {
    let documentation = std::fs::read_to_string(checkout().join("docs/sql.md")).unwrap();
    let mut files = queries("sql");
    let mut examples = 0;
    for block in documentation.split("```sql\n").skip(1) {
        let query = block.split("```").next().unwrap();
        sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&pool).await.unwrap_or_else(|e| panic!("{e} in {query}"));
        match files.iter().find(|(_, file)| *file == query).map(|(name, _)| name.clone()) {
            Some(name) => {
                assert!(documentation.contains(&format!("`\\i sql/{name}.sql`\n\n```sql\n{query}```")), "{name}");
                files.remove(&name);
            }
            None => examples += 1,
        }
    }
    let missing: Vec<_> = files.keys().collect();
    assert!(missing.is_empty(), "docs/sql.md does not show these files of sql/ as they are: {missing:?}");
    assert_eq!(examples, 8, "a query of the documentation is in no file of sql/");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn psql_lists_and_runs_every_file(pool: PgPool) {
    store_a_morning(&pool).await;
    set_shop_timezone(&pool, "Asia/Kathmandu").await;
    let mut psql = Command::new("psql");
    psql.current_dir(checkout()).env("PSQLRC", "sql/psqlrc").env("HOME", "/nonexistent");
    // without the options that are for sqlx
    let mut url = pool.connect_options().to_url_lossy();
    url.set_query(None);
    psql.args(["-v", "ON_ERROR_STOP=1", url.as_str()]);
    let files: Vec<_> = [queries("sql").into_keys().collect::<Vec<_>>(), queries("sql/page").into_keys().collect()]
        .into_iter()
        .zip(["sql", "sql/page"])
        .flat_map(|(names, folder)| names.into_iter().map(move |name| format!("\\i {folder}/{name}.sql")))
        .collect();
    for file in &files {
        psql.args(["-c", file]);
    }
    psql.args(["-c", "show timezone"]);
    let output = tokio::task::spawn_blocking(move || psql.output().unwrap()).await.unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    for file in &files {
        assert!(told.contains(&format!("{file} ")), "{file} is not listed in {told}");
    }
    assert!(told.contains("Asia/Kathmandu"), "{told}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn windows_hold_what_happened_in_them(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "b", "event_type": "order", "amount": "1.50", "currency": "USD" },
            { "occurred_at": "2019-01-01T10:29:59.999999Z", "product": "b", "event_type": "order", "amount": "2", "currency": "USD" },
            { "occurred_at": "2019-01-01T10:30:00Z", "product": "a", "event_type": "order", "amount": "3", "currency": "EUR" },
            { "occurred_at": "2019-01-01T10:45:00Z", "product": "a", "event_type": "order", "amount": "9", "currency": "EUR", "status": "fraud" },
            { "occurred_at": "2019-01-01T10:45:00Z" },
            { "occurred_at": "2019-01-01T12:00:00Z", "product": "B" },
            { "occurred_at": "2019-01-01T12:00:00Z", "product": "b", "event_type": "user_update" },
        ]),
    )
    .await;
    let (ten, eleven, noon, one) = ("01-01 10:00:00", "01-01 11:00:00", "01-01 12:00:00", "01-01 13:00:00");
    assert_eq!(
        windows(&pool, "tumbling('1 hour', null, null)").await,
        [json!([ten, eleven, null, 5, 4, { "EUR": "3", "USD": "3.50" }]), json!([noon, one, null, 1, 0, {}])]
    );
    assert_eq!(
        windows(&pool, "tumbling('1 hour', null, null, 'product')").await,
        [
            json!([ten, eleven, "a", 2, 2, { "EUR": "3" }]),
            json!([ten, eleven, "b", 2, 2, { "USD": "3.50" }]),
            json!([ten, eleven, null, 1, 0, {}]),
            json!([noon, one, "B", 1, 0, {}])
        ]
    );
    // a window at the edge counts only what is in the range and passes the filters
    assert_eq!(
        windows(
            &pool,
            "tumbling('1 hour', '2019-01-01 10:29Z', '2019-01-01 10:45Z', filters => '{\"product\": [\"b\", \"a\"]}')"
        )
        .await,
        [json!([ten, eleven, null, 2, 2, { "EUR": "3", "USD": "2" }])]
    );
    let half = |hour: u32| format!("01-01 {hour:02}:30:00");
    assert_eq!(
        windows(&pool, "hopping('1 hour', '30 minutes', null, null)").await,
        [
            json!([half(9), half(10), null, 2, 2, { "USD": "3.50" }]),
            json!([ten, eleven, null, 5, 4, { "EUR": "3", "USD": "3.50" }]),
            json!([half(10), half(11), null, 3, 2, { "EUR": "3" }]),
            json!([half(11), half(12), null, 1, 0, {}]),
            json!([noon, one, null, 1, 0, {}])
        ]
    );
    // an advance that does not divide the size
    assert_eq!(
        windows(&pool, "hopping('1 hour', '25 minutes', '2019-01-01 12:00Z', null)").await,
        [
            json!(["01-01 11:10:00", "01-01 12:10:00", null, 1, 0, {}]),
            json!(["01-01 11:35:00", "01-01 12:35:00", null, 1, 0, {}]),
            json!([noon, one, null, 1, 0, {}])
        ]
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn windows_of_days_are_those_of_the_zone(pool: PgPool) {
    let count = async |times: &[&str], call: &str| {
        sqlx::query("delete from events").execute(&pool).await.unwrap();
        store(&pool, at(times)).await;
        let told = windows(&pool, call).await;
        told.iter().map(|row| json!([row[0], row[1], row[3]])).collect::<Vec<_>>()
    };
    // 23 hours, then 25
    assert_eq!(
        count(
            &["2019-03-30T23:00:00Z", "2019-03-31T21:59:59.999999Z", "2019-03-31T22:00:00Z", "2019-10-27T22:59:59Z"],
            "tumbling('1 day', null, null, tz => 'Europe/Berlin')"
        )
        .await,
        [
            json!(["03-30 23:00:00", "03-31 22:00:00", 2]),
            json!(["03-31 22:00:00", "04-01 22:00:00", 1]),
            json!(["10-26 22:00:00", "10-27 23:00:00", 1])
        ]
    );
    // midnight comes twice
    assert_eq!(
        count(
            &["2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z", "2026-11-02T04:59:59Z"],
            "tumbling('1 day', null, null, tz => 'America/Havana')"
        )
        .await,
        [json!(["10-31 04:00:00", "11-01 04:00:00", 1]), json!(["11-01 04:00:00", "11-02 05:00:00", 3])]
    );
    // there was no 2011-12-30
    assert_eq!(
        count(
            &["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"],
            "hopping('2 days', '1 day', null, null, tz => 'Pacific/Apia')"
        )
        .await,
        [
            json!(["12-28 10:00:00", "12-30 10:00:00", 1]),
            json!(["12-29 10:00:00", "12-30 10:00:00", 1]),
            json!(["12-30 10:00:00", "12-31 10:00:00", 1]),
            json!(["12-30 10:00:00", "01-01 10:00:00", 1])
        ]
    );
    // a day of half an hour more
    assert_eq!(
        count(
            &["2019-04-06T12:59:59Z", "2019-04-06T13:00:00Z", "2019-04-07T13:29:59Z", "2019-04-07T13:30:00Z"],
            "tumbling('1 day', null, null, tz => 'Australia/Lord_Howe')"
        )
        .await,
        [
            json!(["04-05 13:00:00", "04-06 13:00:00", 1]),
            json!(["04-06 13:00:00", "04-07 13:30:00", 2]),
            json!(["04-07 13:30:00", "04-08 13:30:00", 1])
        ]
    );
    // the last tenth of a second of a day of the shop, and the first of the next
    set_shop_timezone(&pool, "Asia/Kathmandu").await;
    assert_eq!(
        count(&["2019-03-09T18:14:59.9Z", "2019-03-09T18:15:00.1Z"], "tumbling('1 day', null, null)").await,
        [json!(["03-08 18:15:00", "03-09 18:15:00", 1]), json!(["03-09 18:15:00", "03-10 18:15:00", 1])]
    );
    set_shop_timezone(&pool, "UTC").await;
    // 2019-01-03 is a Thursday, as 1970-01-01 was, 2019-01-07 a Monday
    for (call, starts) in [
        ("tumbling('7 days', null, null)", ["01-03 00:00:00", "01-03 00:00:00"]),
        ("tumbling('1 week', null, null, origin => '1970-01-05')", ["12-31 00:00:00", "01-07 00:00:00"]),
        ("tumbling('1 week', null, null, origin => '2030-12-30')", ["12-31 00:00:00", "01-07 00:00:00"]),
        ("tumbling('3 months', null, null)", ["01-01 00:00:00", "01-01 00:00:00"]),
        // 588 months after January 1970
        ("tumbling('5 months', null, null)", ["10-01 00:00:00", "10-01 00:00:00"]),
    ] {
        let found = count(&["2019-01-06T23:59:59Z", "2019-01-07T00:00:00Z"], call).await;
        let mut starts = starts.to_vec();
        starts.dedup();
        assert_eq!(found.iter().map(|row| &row[0]).collect::<Vec<_>>(), starts, "{call}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sessions_end_after_a_longer_pause_than_the_gap(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "b" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "b", "event_type": "order", "amount": "1.5", "currency": "USD" },
            { "occurred_at": "2019-01-01T10:10:00Z", "user_id": "b" },
            { "occurred_at": "2019-01-01T10:20:00.000001Z", "user_id": "b", "product": "x" },
            { "occurred_at": "2019-01-01T10:05:00Z", "user_id": "a", "product": "x" },
            { "occurred_at": "2019-01-01T10:12:00Z", "user_id": "a", "event_type": "user_update" },
            { "occurred_at": "2019-01-01T10:16:00Z", "user_id": "a", "product": "x" },
            { "occurred_at": "2019-01-01T10:26:00Z", "user_id": "a", "product": "x" },
        ]),
    )
    .await;
    let b1 = json!(["01-01 10:00:00", "01-01 10:10:00", "b", 3, 1, { "USD": "1.5" }]);
    let a1 = json!(["01-01 10:05:00", "01-01 10:05:00", "a", 1, 0, {}]);
    let a2 = json!(["01-01 10:16:00", "01-01 10:26:00", "a", 2, 0, {}]);
    let b2 = json!(["01-01 10:20:00", "01-01 10:20:00", "b", 1, 0, {}]);
    for (range, expected) in [
        ("null, null", vec![&b1, &a1, &a2, &b2]),
        // a session is of the range that it starts in, and whole
        ("'2019-01-01 10:00Z', '2019-01-01 10:16Z'", vec![&b1, &a1]),
        ("'2019-01-01 10:00:00.000001Z', '2019-01-01 10:16:00.000001Z'", vec![&a1, &a2]),
        ("'2019-01-01 10:10Z', 'infinity'", vec![&a2, &b2]),
        ("'-infinity', '2019-01-01 10:05Z'", vec![&b1]),
        ("null, null, '{\"product\": [\"x\"]}'", vec![&a1, &a2, &b2]),
        ("null, null, '{\"event_type\": [\"user_update\"]}'", vec![]),
    ] {
        let found = windows(&pool, &format!("sessions('10 minutes', {range})")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{range}");
    }
    let longer = windows(&pool, "sessions('11 minutes', null, null)").await;
    assert_eq!(
        longer.iter().map(|row| (&row[2], &row[3])).collect::<Vec<_>>(),
        [(&json!("b"), &json!(4)), (&json!("a"), &json!(3))]
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_window_that_cannot_be_is_refused_with_a_remedy(pool: PgPool) {
    for (call, says) in [
        ("tumbling('1 day 1 hour', null, null)", "mixes months, days and hours"),
        ("tumbling('0', null, null)", "is not from 1 second to 366 days"),
        ("tumbling('-1 hour', null, null)", "is not from 1 second to 366 days"),
        ("tumbling('999 milliseconds', null, null)", "is not from 1 second to 366 days"),
        ("tumbling('367 days', null, null)", "is not from 1 second to 366 days"),
        ("tumbling('8784 hours 1 microsecond', null, null)", "is not from 1 second to 366 days"),
        ("tumbling(null, null, null)", "is not from 1 second to 366 days"),
        ("hopping('1 day', '1 hour', null, null)", "are not both of hours, of days or of months"),
        ("hopping('1 hour', '2 hours', null, null)", "is longer than size"),
        ("sessions('1 day', null, null)", "whose lengths vary"),
        ("tumbling('1 day', null, null, 'brnd')", "\"brnd\" is no dimension"),
        ("tumbling('1 day', null, null, filters => '{\"brnd\": [\"x\"]}')", "\"brnd\" is no dimension"),
        ("sessions('1 hour', null, null, '{\"price\": [\"1\"]}')", "\"price\" is no dimension"),
        ("tumbling('1 day', null, null, tz => 'Mars/Olympus')", "\"Mars/Olympus\" not recognized"),
    ] {
        store(&pool, at(&["2019-01-01T00:00:00Z"])).await;
        let told = refusal(&pool, call).await;
        assert!(told.contains(says), "{call}: {told}");
    }
    for call in
        ["tumbling('366 days', null, null)", "tumbling('1 year', null, null)", "tumbling('8784 hours', null, null)"]
    {
        assert_eq!(windows(&pool, call).await.len(), 1, "{call}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_database_and_the_service_know_the_same_dimensions(pool: PgPool) {
    let app = App::start(&pool);
    let told = app.get("/api/breakdown?by=nothing").await.json();
    let known: Vec<String> = sqlx::query_scalar("select dimensions()").fetch_one(&pool).await.unwrap();
    assert_eq!(told["detail"], format!("by \"nothing\" is none of {}", known.join(", ")));
    app.stop().await;
}

/// The recount of a figure: what is in each column of each row.
async fn recount(app: &App, path: &str) -> Vec<BTreeMap<String, Option<String>>> {
    let told = app.json(path).await;
    assert_eq!(told["more"], false);
    assert!(told["elapsed_ms"].is_u64());
    let columns: Vec<String> = serde_json::from_value(told["columns"].clone()).unwrap();
    let rows: Vec<Vec<Option<String>>> = serde_json::from_value(told["rows"].clone()).unwrap();
    rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect()
}

/// Whether a recount says what the service answers, key by key, where both have it.
#[track_caller]
fn assert_same(recount: &BTreeMap<String, Option<String>>, answer: &Value) {
    let mut compared = 0;
    for (key, value) in answer.as_object().unwrap() {
        let Some(found) = recount.get(key) else { continue };
        match (found.as_deref(), value) {
            (None, value) => assert!(value.is_null(), "{key}: {value}"),
            (Some(found), Value::Object(_)) => {
                assert_eq!(serde_json::from_str::<Value>(found).unwrap(), *value, "{key}");
            }
            (Some(found), Value::Number(number)) => assert_eq!(found, number.to_string(), "{key}"),
            (Some(found), value) => assert_eq!(Some(found), value.as_str(), "{key}"),
        }
        compared += 1;
    }
    assert!(compared > 2, "{recount:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_query_of_a_figure_counts_the_same_as_the_figure(pool: PgPool) {
    store_a_morning(&pool).await;
    let app = App::start(&pool);
    for question in
        ["", "tz=Asia/Kathmandu", "product=sneakers&product=clothes", "from=2019-01-01&to=2099-01-01&tz=Europe/Berlin"]
    {
        let daily = app.json(&format!("/api/daily?{question}")).await;
        let days = recount(&app, &format!("/api/sql/daily/run?{question}")).await;
        assert!(!days.is_empty());
        for day in &days {
            let rows = daily["rows"].as_array().unwrap();
            assert_same(day, rows.iter().find(|row| row["day"] == day["day"].as_deref().unwrap()).unwrap());
        }
        for by in ["product", "user_id"] {
            let answer = app.json(&format!("/api/breakdown?by={by}&{question}")).await;
            let parts = recount(&app, &format!("/api/sql/breakdown/run?by={by}&{question}")).await;
            assert_eq!(parts.len(), answer["rows"].as_array().unwrap().len());
            for (part, row) in parts.iter().zip(answer["rows"].as_array().unwrap()) {
                assert_same(part, row);
            }
        }
        for (path, query) in [("funnel?", "funnel/run?"), ("funnel?by=product&", "funnel_by/run?by=product&")] {
            let answer = app.json(&format!("/api/{path}{question}")).await;
            let stages = recount(&app, &format!("/api/sql/{query}{question}")).await;
            assert_eq!(stages.len(), answer["rows"].as_array().unwrap().len(), "{answer}");
            for (stage, row) in stages.iter().zip(answer["rows"].as_array().unwrap()) {
                assert_same(stage, row);
            }
        }
        let heatmap = app.json(&format!("/api/heatmap?{question}")).await;
        let hours = recount(&app, &format!("/api/sql/heatmap/run?{question}")).await;
        assert_eq!(hours.len(), heatmap["rows"].as_array().unwrap().len());
        for (hour, row) in hours.iter().zip(heatmap["rows"].as_array().unwrap()) {
            assert_same(hour, row);
        }
        let totals = app.json(&format!("/api/totals?{question}")).await;
        let recounted = recount(&app, &format!("/api/sql/totals/run?{question}")).await;
        assert_same(&recounted[0], &totals["events"]);
        assert_eq!(recounted[0]["users"], Some(totals["users"].to_string()));
    }
    let today = recount(&app, "/api/sql/today/run").await;
    // soon after midnight the last row is of a part of the morning only
    let last = today.last().unwrap();
    let number = |name: &str| last[name].as_deref().unwrap().parse::<f64>().unwrap();
    let rate =
        (number("banner_click") > 0.0).then(|| format!("{:.2}", 100.0 * number("order") / number("banner_click")));
    assert_eq!(last["conversion_rate"], rate);
    let devices = recount(&app, "/api/sql/devices/run?event_type=banner_click").await;
    assert_eq!(devices.len(), 2);
    let latest = recount(&app, "/api/sql/latest/run?limit=3").await;
    assert_eq!(latest.len(), 3);
    let sessions = recount(&app, "/api/sql/sessions/run").await;
    assert_eq!(
        ["sessions", "users", "events", "with_order"].map(|key| sessions[0][key].as_deref().unwrap()),
        ["3", "3", "12", "1"]
    );
    let hours =
        recount(&app, "/api/sql/windows/run?kind=hopping&size=2d&advance=1d&group_by=product&event_type=order").await;
    assert_eq!(hours.iter().map(|row| row["orders"].as_deref().unwrap().parse::<u64>().unwrap()).sum::<u64>(), 8);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_shown_can_be_pasted_and_gives_the_same(pool: PgPool) {
    store_a_morning(&pool).await;
    store(&pool, json!([{ "occurred_at": "2019-01-01T00:00:00Z", "product": "it's \\ :'tz' $1; drop table events" }]))
        .await;
    let app = App::start(&pool);
    let hostile = "it%27s+%5C+%3A%27tz%27+%241%3B+drop+table+events";
    for (path, expected) in [
        (format!("/api/sql/breakdown?by=product&product={hostile}"), 1),
        (format!("/api/sql/daily?product={hostile}&tz=America/Havana"), 1),
        ("/api/sql/windows?kind=tumbling&size=1w&from=2019-01-01&to=2019-01-02".into(), 1),
        ("/api/sql/windows?kind=session&gap=90s&group_by=user_id&event_type=order".into(), 2),
    ] {
        let shown = app.json(&path).await;
        assert_eq!(shown["timeout_seconds"], 30);
        let pasted = rows(&pool, shown["sql"].as_str().unwrap()).await;
        assert_eq!(pasted.len(), expected, "{shown}");
        let run = app.json(&path.replacen('?', "/run?", 1)).await;
        assert_eq!(run["rows"].as_array().unwrap().len(), expected);
    }
    let week = app.json("/api/sql/windows?kind=hopping&size=2w&advance=1w&from=2019-01-01&tz=Europe/Berlin").await;
    let sql = week["sql"].as_str().unwrap();
    assert!(sql.contains("hopping('2 weeks', '1 week', '2018-12-31T23:00:00Z', 'infinity'"), "{sql}");
    assert!(sql.contains("'Europe/Berlin', '1970-01-05')"), "{sql}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_query_that_is_none_and_a_parameter_that_is_of_no_use_are_refused(pool: PgPool) {
    let app = App::start(&pool);
    for (path, status, says) in [
        ("nothing", 404, "\"nothing\""),
        ("totals;drop", 404, "\"totals;drop\""),
        ("today?from=2019-01-01", 400, "takes no from"),
        ("daily?by=product", 400, "takes no by"),
        ("breakdown", 400, "\"by\" is missing"),
        ("breakdown?by=price", 400, "\"price\""),
        ("audience?by=product", 400, "none of region, gender"),
        ("daily?tz=Mars", 400, "\"Mars\""),
        ("daily?sql=select+1", 400, "\"sql\""),
        ("daily?from=2010-11-06&to=2010-11-08&tz=America/St_Johns", 400, "comes twice in America/St_Johns"),
        ("windows", 400, "\"kind\" is missing"),
        ("windows?kind=sliding", 400, "\"sliding\""),
        ("windows?kind=tumbling", 400, "\"size\" is missing"),
        ("windows?kind=tumbling&size=1h&advance=1h", 400, "takes no advance"),
        ("windows?kind=tumbling&size=0h", 400, "\"0h\""),
        ("windows?kind=tumbling&size=13mo", 400, "\"13mo\""),
        ("windows?kind=tumbling&size=99999999999h", 400, "\"99999999999h\""),
        ("windows?kind=tumbling&size=1+hour", 400, "\"1 hour\""),
        ("windows?kind=tumbling&size=1h&group_by=price", 400, "\"price\""),
        ("windows?kind=hopping&size=1d&advance=1h", 400, "\"1h\""),
        ("windows?kind=hopping&size=1h&advance=61m", 400, "\"61m\""),
        ("windows?kind=session&group_by=product", 400, "takes no group_by"),
        ("sessions?gap=1d", 400, "\"1d\""),
    ] {
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        for path in [format!("/api/sql/{name}?{query}"), format!("/api/sql/{name}/run?{query}")] {
            let response = app.get(&path).await;
            assert_eq!(response.status, status, "{path}: {}", response.text);
            assert!(response.json()["detail"].as_str().unwrap().contains(says), "{path}: {}", response.text);
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_queries_of_imports_and_of_the_pipeline_count_the_rows(pool: PgPool) {
    store_an_import(&pool).await;
    let now = Utc::now();
    let event = |milliseconds: i64, import_id: Option<&str>| {
        let occurred_at = now - TimeDelta::milliseconds(milliseconds);
        json!({ "occurred_at": occurred_at, "stored_at": now, "user_id": "u", "import_id": import_id })
    };
    let imported = "6f1c2a52-0000-4000-8000-0000000000ff";
    store(
        &pool,
        json!([
            event(10, None),
            event(30, None),
            event(61_000, None),
            event(0, Some(imported)),
            event(0, Some(imported))
        ]),
    )
    .await;
    sqlx::raw_sql(
        "insert into deleted_imports (import_id) values ('6f1c2a52-0000-4000-8000-0000000000aa');
         insert into deleted_rows (import_id, topic, partition, stored, rejected)
         values ('6f1c2a52-0000-4000-8000-0000000000aa', 'ecommerce', 0, 20, 4)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = App::start(&pool);
    let run = async |query: &str| recount(&app, &format!("/api/sql/{query}")).await;
    let values = |row: &BTreeMap<String, Option<String>>, names: &[&str]| {
        names.iter().map(|name| row[*name].clone().unwrap()).collect::<Vec<_>>()
    };

    let imports = run("imports/run").await;
    assert_eq!(values(&imports[0], &["import_id", "rows_stored", "rows_rejected"]), [imported, "2", "1"]);
    assert_eq!(values(&imports[1], &["rows_stored", "rows_rejected"]), ["0", "0"]);
    let rejected = app.json("/api/rejected").await["rows"].take();
    for (row, told) in run("rejected/run").await.iter().zip(rejected.as_array().unwrap()) {
        assert_eq!(row["reason"].as_deref(), told["reason"].as_str());
        assert_eq!(row["line"], told["line"].as_i64().map(|line| line.to_string()));
    }
    assert_eq!(run("rejected/run").await.len(), 2);
    assert_eq!(run(&format!("rejected/run?import_id={imported}")).await.len(), 1);
    assert_eq!(values(&run("messages/run").await[0], &["stored", "rejected", "late"]), ["25", "5", "1"]);
    let pending = app.json("/api/pipeline").await["pending"].take();
    let found = run("pending/run").await;
    for name in ["without_users", "without_sessions"] {
        assert_eq!(found[0][name], Some(pending[name].to_string()));
    }
    let latency = run("latency/run").await;
    assert_eq!(values(&latency[0], &["events", "p50_ms"]), ["3", "30"]);
    assert_eq!(run("stored/run").await[0]["events"].as_deref(), Some("5"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_beyond_the_first_thousand_are_told_of(pool: PgPool) {
    store(
        &pool,
        (0..1_001).map(|n| json!({ "occurred_at": "2019-01-01T00:00:00Z", "user_id": format!("u{n}") })).collect(),
    )
    .await;
    let app = App::start(&pool);
    let parts = app.json("/api/sql/breakdown/run?by=user_id&limit=10000").await;
    assert_eq!((parts["rows"].as_array().unwrap().len(), &parts["more"]), (1_000, &json!(true)));
    let parts = app.json("/api/sql/breakdown/run?by=user_id&limit=1000").await;
    assert_eq!((parts["rows"].as_array().unwrap().len(), &parts["more"]), (1_000, &json!(false)));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_query_that_takes_too_long_and_a_third_at_a_time_are_sent_to_psql_and_away(pool: PgPool) {
    store_a_morning(&pool).await;
    let app = App::start(&pool);
    // whoever reads the table waits for this lock, until it is cancelled as by its timeout; the third does not even wait
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("lock table events in access exclusive mode").execute(&mut *lock).await.unwrap();
    let (first, second, third) = tokio::join!(app.get("/api/sql/totals/run"), app.get("/api/sql/totals/run"), async {
        let deadline = Instant::now() + Duration::from_secs(8);
        let waiting = "select count(*) from pg_locks where not granted and relation = 'events'::regclass";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap() < 2 {
            assert!(Instant::now() < deadline, "the first two do not wait for the lock");
            tokio::task::yield_now().await;
        }
        let third = app.get("/api/sql/totals/run").await;
        let cancel = "select pg_cancel_backend(pid) from pg_locks where not granted and relation = 'events'::regclass";
        sqlx::query(cancel).execute(&pool).await.unwrap();
        third
    });
    assert_eq!((third.status, &third.headers["retry-after"]), (503, &"2".parse().unwrap()));
    assert!(third.text.contains("2 recounts are running already"), "{}", third.text);
    for slow in [first, second] {
        assert_eq!(slow.status, 503, "{}", slow.text);
        assert!(slow.text.contains("took longer than 30 s: copy the query into psql"), "{}", slow.text);
    }
    lock.rollback().await.unwrap();
    assert_eq!(app.get("/api/sql/totals/run").await.status, 200);
    app.stop().await;
}
