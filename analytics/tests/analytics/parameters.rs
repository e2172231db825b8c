//! What a request may ask, and what it is told when it asks wrongly.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, Response, assert_problem, store};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_unusable_parameter_is_a_400_that_quotes_it(pool: PgPool) {
    let app = App::start(&pool);
    for (query, quotes) in [
        ("tz=Mars/Olympus", "\"Mars/Olympus\""),
        ("tz=", "\"\""),
        ("tz=EST5EDT,foo", "\"EST5EDT,foo\""),
        ("tz=UTC%2B3", "\"UTC+3\""),
        ("tz=CEST", "\"CEST\""),
        ("tz=posix/Europe/Berlin", "\"posix/Europe/Berlin\""),
        ("tz=localtime", "\"localtime\""),
        ("tz=UTC%27;drop+table+events", "\"UTC';drop table events\""),
        ("tz=UTC&tz=Europe/Berlin", "\"Europe/Berlin\""),
        ("from=2019-13-01", "\"2019-13-01\""),
        ("from=2019-02-29", "\"2019-02-29\""),
        ("to=01.02.2019", "\"01.02.2019\""),
        ("to=2019-01-01T10:00:00", "\"2019-01-01T10:00:00\""),
        ("to=", "to \"\""),
        ("from=2019-01-01&from=2019-01-02", "\"2019-01-02\""),
        ("from=2019-02-01&to=2019-01-31", "\"2019-02-01\""),
        ("from=2019-02-01&to=2019-01-31", "\"2019-01-31\""),
        ("from=2019-02-01T00:00:01Z&to=2019-02-01", "\"2019-02-01T00:00:01Z\""),
        ("produkt=clothes", "\"produkt\""),
        ("users=1", "\"users\""),
        ("event_type=orders", "\"orders\""),
        ("site_version=phone", "\"phone\""),
        ("import_id=7", "\"7\""),
        ("product=a%00b", "\"a\\0b\""),
    ] {
        for path in ["/api/daily?", "/api/totals?", "/api/breakdown?by=product&", "/api/latest?"] {
            assert_problem(&app.get(&format!("{path}{query}")).await, 400, quotes);
        }
    }
    for (path, quotes) in [
        ("/api/breakdown", "\"by\""),
        ("/api/breakdown?by=colour", "\"colour\""),
        ("/api/breakdown?by=", "\"\""),
        ("/api/breakdown?by=product&limit=0", "\"0\""),
        ("/api/breakdown?by=product&limit=10001", "\"10001\""),
        ("/api/breakdown?by=product&limit=ten", "\"ten\""),
        ("/api/latest?limit=1001", "\"1001\""),
        ("/api/latest?limit=-1", "\"-1\""),
        ("/api/latest?by=product", "\"by\""),
        ("/api/daily?limit=5", "\"limit\""),
        ("/api/daily?from=1900-01-01&to=2019-01-01", "\"1900-01-01\""),
        ("/api/daily?from=0001-01-01&to=9999-12-31", "\"9999-12-31\""),
        ("/api/events/7", "\"7\""),
    ] {
        assert_problem(&app.get(path).await, 400, quotes);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_request_that_is_too_long_is_a_400(pool: PgPool) {
    let app = App::start(&pool);
    let long = "x".repeat(9_000);
    let response = app.get(&format!("/api/totals?product={long}")).await;
    assert_problem(&response, 400, "\"product=xxx");
    assert!(response.text.len() < 1_000, "{}", response.text);
    assert_problem(&app.get(&format!("/api/totals?{}", "brand=b&".repeat(101))).await, 400, "brand \"b\"");
    assert_eq!(app.get(&format!("/api/totals?{}", "brand=b&".repeat(100))).await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn unknown_paths_and_wrong_methods_are_problems_too(pool: PgPool) {
    let app = App::start(&pool);
    for path in ["/api/window?size=1h", "/api/", "/static/0/none.js", "/api/events/a/b"] {
        assert_problem(&app.get(path).await, 404, path.split('?').next().unwrap());
    }
    for path in ["/", "/api/daily", "/api/live", "/healthz"] {
        let response = app.client.delete(format!("{}{path}", app.address)).send().await.unwrap();
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        let response = Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        };
        assert_problem(&response, 405, "DELETE");
    }
    let head = app.client.head(format!("{}/api/totals", app.address)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn zones_and_times_are_understood_as_people_write_them(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T22:30:00Z" }])).await;
    let app = App::start(&pool);
    for (query, tz) in [
        ("tz=europe/berlin", "Europe/Berlin"),
        ("tz=Etc/GMT%2B3", "Etc/GMT+3"),
        ("tz=Etc/GMT+3", "Etc/GMT+3"),
        ("tz=EST5EDT", "EST5EDT"),
        ("tz=America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ] {
        assert_eq!(app.json(&format!("/api/daily?{query}")).await["tz"], tz);
    }
    // the plus sign of an offset, encoded or not
    for from in ["2019-01-02T00:30:00%2B02:00", "2019-01-02T00:30:00+02:00"] {
        assert_eq!(app.json(&format!("/api/totals?from={from}")).await["events"]["page_view"], 1);
    }
    assert_eq!(app.json("/api/totals?from=2019-01-02T00:30:00.000001%2B02:00").await["events"]["page_view"], 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn dimensions_are_those_that_the_database_knows(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T22:30:00Z" }])).await;
    let function: String =
        sqlx::query_scalar("select pg_get_functiondef('dimension'::regproc)").fetch_one(&pool).await.unwrap();
    let known: BTreeSet<_> =
        function.match_indices("WHEN '").map(|(at, _)| function[at + 6..].split('\'').next().unwrap()).collect();
    assert!(known.len() >= 30, "{function}");
    let app = App::start(&pool);
    let problem = app.get("/api/breakdown?by=colour").await.json();
    let offered: BTreeSet<_> =
        problem["detail"].as_str().unwrap().split_once("none of ").unwrap().1.split(", ").collect();
    assert_eq!(offered, known);
    for dimension in known {
        assert_eq!(app.json(&format!("/api/breakdown?by={dimension}")).await["rows"].as_array().unwrap().len(), 1);
        let value = match dimension {
            "event_type" => "order",
            "site_version" => "tablet",
            "import_id" => "6f1c2a52-0000-4000-8000-0000000000ff",
            _ => "nothing has this",
        };
        let totals = app.json(&format!("/api/totals?{dimension}={value}")).await;
        assert_eq!(totals["first"], json!(null), "{dimension}");
    }
    app.stop().await;
}
