//! The profile of the stored events, and their schema.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, Response, assert_problem, store};

/// The answer once it is no "not yet".
async fn made(app: &App, path: &str) -> Response {
    let asked = Instant::now();
    loop {
        let response = app.get(path).await;
        if response.status != 202 {
            return response;
        }
        assert!(asked.elapsed() < Duration::from_secs(30), "{path} is never made");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_profile_of_the_stored_events_is_json_and_a_page(pool: PgPool) {
    let event = |event_type: &str, user: &str, brand: Value, price: &str| {
        json!({
            "event_type": event_type, "user_id": user, "brand": brand, "price": price, "currency": "EUR",
            "occurred_at": "2020-09-24T11:57:06Z",
        })
    };
    let events = json!([
        event("product_view", "u1", json!("sony"), "10.50"),
        event("product_view", "u2", json!("<b>\t\\N\n"), "20"),
        event("order", "u2", Value::Null, "20"),
        event("order", "u2", json!(""), "20"),
    ]);
    store(&pool, events).await;
    let app = App::start(&pool);
    let profile = made(&app, "/api/profile").await;
    assert_eq!(profile.status, 200);
    let profile = profile.json();
    assert_eq!(profile["rows"], 4);
    assert_eq!(profile["duplicates"], json!({ "value": 1, "error_percent": null }), "the second order is the first");
    let columns = profile["columns"].as_array().unwrap();
    let brand = columns.iter().find(|column| column["name"] == "brand").unwrap();
    assert_eq!((&brand["nulls"], &brand["empty"], &brand["distinct"]["value"]), (&json!(1), &json!(1), &json!(2)));
    let total = |currency, sum| json!([{ "currency": currency, "sum": sum }]);
    let exact = |value| json!({ "value": value, "error_percent": null });
    assert_eq!(
        profile["funnel"],
        json!([
            { "event_type": "order", "events": 2, "percent": 50.0, "users": exact(1), "value": total("EUR", "40") },
            { "event_type": "product_view", "events": 2, "percent": 50.0, "users": exact(2), "value": total("EUR", "30.5") },
        ])
    );

    // it is good for a minute
    store(&pool, json!([event("cart", "u1", Value::Null, "1")])).await;
    assert_eq!(app.json("/api/profile").await, profile);
    let page = app.get("/profile").await;
    assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("<dd data-figure=\"rows\">4</dd>"), "{}", page.text);
    assert!(page.text.contains("&lt;b&gt;") && !page.text.contains("<b>"), "{}", page.text);
    for inline in [" style=\"", "<style", "<script"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    let (before, _) = page.text.split_once("profile.css").unwrap();
    let style = app.get(&format!("{}profile.css", &before[before.rfind('"').unwrap() + 1..])).await;
    assert_eq!((style.status, style.headers["content-type"].to_str().unwrap()), (200, "text/css; charset=utf-8"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_events_have_a_profile_too(pool: PgPool) {
    let app = App::start(&pool);
    let profile = made(&app, "/api/profile").await.json();
    assert_eq!((&profile["rows"], &profile["funnel"], &profile["price"]), (&json!(0), &json!([]), &Value::Null));
    assert_eq!(made(&app, "/profile").await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_profile_that_cannot_be_made_says_why_and_is_tried_again(pool: PgPool) {
    let app = App::start(&pool);
    sqlx::query("alter table events rename to away").execute(&pool).await.unwrap();
    assert_problem(&made(&app, "/api/profile").await, 503, "shopwindow migrate");
    let page = made(&app, "/profile").await;
    assert_eq!(page.status, 503);
    assert!(page.text.contains("shopwindow migrate"), "{}", page.text);
    sqlx::query("alter table away rename to events").execute(&pool).await.unwrap();
    assert_eq!(made(&app, "/api/profile").await.status, 200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_schema_of_an_event_is_served_as_it_is_published(pool: PgPool) {
    let app = App::start(&pool);
    let response = app.get("/schema.json").await;
    assert_eq!((response.status, response.text.as_str()), (200, events::SCHEMA));
    assert_eq!(response.headers["content-type"], "application/schema+json");
    assert_eq!(response.json()["required"].as_array().unwrap().len(), 5);
    app.stop().await;
}
