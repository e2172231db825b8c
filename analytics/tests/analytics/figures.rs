//! The numbers: what is counted, in which order, and what money it made.

use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, days, store};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_day_of_the_range_is_there_with_zeros(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "event_type": "banner_show" },
            { "occurred_at": "2019-01-01T10:00:01Z", "event_type": "banner_show" },
            { "occurred_at": "2019-01-01T10:00:02Z", "event_type": "banner_click" },
            { "occurred_at": "2019-01-03T23:59:59.999999Z", "event_type": "order", "amount": "12.50", "currency": "USD" },
            { "occurred_at": "2019-01-03T00:00:00Z", "event_type": "user_update" },
        ]),
    )
    .await;
    let app = App::start(&pool);

    let expected = json!({ "tz": "UTC", "rows": [
        { "day": "2019-01-01", "banner_show": 2, "banner_click": 1, "page_view": 0, "product_view": 0,
          "cart": 0, "cart_remove": 0, "order": 0, "amount": {} },
        { "day": "2019-01-02", "banner_show": 0, "banner_click": 0, "page_view": 0, "product_view": 0,
          "cart": 0, "cart_remove": 0, "order": 0, "amount": {} },
        { "day": "2019-01-03", "banner_show": 0, "banner_click": 0, "page_view": 0, "product_view": 0,
          "cart": 0, "cart_remove": 0, "order": 1, "amount": { "USD": "12.50" } },
    ]});
    assert_eq!(app.json("/api/daily").await, expected);
    assert_eq!(app.json("/api/daily?from=2019-01-01&to=2019-01-04").await, expected);

    let wider = app.json("/api/daily?from=2018-12-31&to=2019-01-05").await;
    assert_eq!(
        days(&wider, "order"),
        [("2018-12-31", 0), ("2019-01-01", 0), ("2019-01-02", 0), ("2019-01-03", 1), ("2019-01-04", 0)]
    );
    assert_eq!(days(&app.json("/api/daily?from=2019-01-02&to=2019-01-02").await, "order"), []);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_range_without_bounds_is_that_of_all_events_whatever_the_filter(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "clothes" },
            { "occurred_at": "2019-01-02T10:00:00Z", "product": "sneakers", "brand": "acme" },
            { "occurred_at": "2019-01-03T10:00:00Z", "product": "clothes" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    let expected = [("2019-01-01", 0), ("2019-01-02", 1), ("2019-01-03", 0)];
    assert_eq!(days(&app.json("/api/daily?product=sneakers").await, "page_view"), expected);
    assert_eq!(days(&app.json("/api/daily?brand=acme").await, "page_view"), expected);
    assert_eq!(days(&app.json("/api/daily?product=sneakers&from=2019-01-02").await, "page_view"), expected[1..]);
    assert_eq!(days(&app.json("/api/daily?product=sneakers&to=2019-01-03").await, "page_view"), expected[..2]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_empty_database_has_no_days_no_parts_and_nothing_in_all(pool: PgPool) {
    let app = App::start(&pool);
    assert_eq!(app.json("/api/daily").await, json!({ "tz": "UTC", "rows": [] }));
    assert_eq!(app.json("/api/breakdown?by=product").await, json!({ "rows": [] }));
    assert_eq!(app.json("/api/breakdown?by=brand").await, json!({ "rows": [] }));
    assert_eq!(app.json("/api/latest").await, json!({ "rows": [] }));
    assert_eq!(
        app.json("/api/totals").await,
        json!({
            "events": { "banner_show": 0, "banner_click": 0, "page_view": 0, "product_view": 0,
                        "cart": 0, "cart_remove": 0, "order": 0 },
            "amount": {}, "users": 0, "sessions": null, "first": null, "last": null, "pending": false,
        })
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn filters_that_come_again_are_or_and_different_ones_are_and(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "clothes", "site_version": "mobile", "state": "Texas" },
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "clothes", "site_version": "desktop" },
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "sneakers", "site_version": "mobile" },
            { "occurred_at": "2019-01-01T10:00:00Z", "product": "a&b = 'c'", "site_version": "mobile", "state": "Ohio" },
            { "occurred_at": "2019-01-01T10:00:00Z" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    for (filters, expected) in [
        ("", 5),
        ("product=clothes", 2),
        ("product=clothes&product=sneakers", 3),
        ("product=clothes&product=sneakers&site_version=mobile", 2),
        ("product=a%26b+%3D+%27c%27", 1),
        ("product=", 0),
        ("product=clothes%27+or+1%3D1--", 0),
        ("event_type=page_view&event_type=order", 5),
        ("state=Texas&state=Ohio", 2),
        ("state=Texas&product=sneakers", 0),
        ("source=test&user_id=u1", 5),
    ] {
        let totals = app.json(&format!("/api/totals?{filters}")).await;
        assert_eq!(totals["events"]["page_view"], expected, "{filters}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_breakdown_is_largest_first_with_null_for_events_without_the_value(pool: PgPool) {
    let at = "2019-01-01T10:00:00Z";
    store(
        &pool,
        json!([
            { "occurred_at": at, "product": "b", "brand": "B", "event_type": "banner_show" },
            { "occurred_at": at, "product": "b", "brand": "B", "event_type": "banner_click" },
            { "occurred_at": at, "product": "b", "brand": "B", "event_type": "order", "amount": "3", "currency": "USD" },
            { "occurred_at": at },
            { "occurred_at": at },
            { "occurred_at": at, "product": "c", "brand": "C" },
            { "occurred_at": at, "product": "a", "brand": "A" },
            { "occurred_at": at, "product": "only a user", "brand": "only a user", "event_type": "user_update" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    let row = |value: serde_json::Value, show: i64, click: i64, view: i64, order: i64, amount: serde_json::Value| {
        json!({ "value": value, "banner_show": show, "banner_click": click, "page_view": view, "product_view": 0,
                "cart": 0, "cart_remove": 0, "order": order, "amount": amount, "users": 1 })
    };
    let expected = |[b, a, c]: [&str; 3]| {
        vec![
            row(json!(b), 1, 1, 0, 1, json!({ "USD": "3" })),
            row(json!(null), 0, 0, 2, 0, json!({})),
            row(json!(a), 0, 0, 1, 0, json!({})),
            row(json!(c), 0, 0, 1, 0, json!({})),
        ]
    };
    let products = expected(["b", "a", "c"]);
    assert_eq!(app.json("/api/breakdown?by=product").await, json!({ "rows": products }));
    assert_eq!(app.json("/api/breakdown?by=brand").await, json!({ "rows": expected(["B", "A", "C"]) }));
    assert_eq!(app.json("/api/breakdown?by=product&limit=2").await, json!({ "rows": products[..2] }));
    assert_eq!(app.json("/api/breakdown?by=product&product=c&product=a").await, json!({ "rows": products[2..] }));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn revenue_is_of_orders_that_did_not_fail_and_never_mixes_currencies(pool: PgPool) {
    let at = "2019-01-01T10:00:00Z";
    store(
        &pool,
        json!([
            { "occurred_at": at, "event_type": "order", "amount": "12.50", "currency": "USD" },
            { "occurred_at": at, "event_type": "order", "amount": "0.1", "currency": "USD", "status": "completed" },
            { "occurred_at": at, "event_type": "order", "amount": "1000000000000000000000000000000.01", "currency": "EUR" },
            { "occurred_at": at, "event_type": "order", "amount": "99", "currency": "USD", "status": "FAILED_payment" },
            { "occurred_at": at, "event_type": "order", "amount": "99", "currency": "USD", "status": "insuficcient_funds" },
            { "occurred_at": at, "event_type": "order", "amount": "99", "currency": "JPY", "status": "fraud" },
            { "occurred_at": at, "event_type": "cart", "amount": "99", "currency": "USD" },
            { "occurred_at": at, "event_type": "order" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    let amount = json!({ "EUR": "1000000000000000000000000000000.01", "USD": "12.60" });
    for filter in ["", "&user_id=u1"] {
        let totals = app.json(&format!("/api/totals?tz=UTC{filter}")).await;
        assert_eq!((&totals["amount"], &totals["events"]["order"]), (&amount, &json!(7)), "{filter}");
        assert_eq!(app.json(&format!("/api/daily?tz=UTC{filter}")).await["rows"][0]["amount"], amount);
        assert_eq!(app.json(&format!("/api/breakdown?by=source{filter}")).await["rows"][0]["amount"], amount);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn totals_name_the_first_and_the_last_event_of_the_range(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00.000001Z" },
            { "occurred_at": "2019-01-01T10:14:59.999999Z" },
            { "occurred_at": "2019-02-01T10:00:00Z" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    for filter in ["", "&user_id=u1"] {
        let all = app.json(&format!("/api/totals?tz=UTC{filter}")).await;
        assert_eq!(
            (&all["first"], &all["last"]),
            (&json!("2019-01-01T10:00:00.000001Z"), &json!("2019-02-01T10:00:00.000000Z"))
        );
        let january = app.json(&format!("/api/totals?to=2019-02-01{filter}")).await;
        assert_eq!(january["last"], json!("2019-01-01T10:14:59.999999Z"));
    }
    // half-open, to the microsecond
    let middle = app.json("/api/totals?from=2019-01-01T10:00:00.000002Z&to=2019-01-01T10:14:59.999999Z").await;
    assert_eq!(middle["events"]["page_view"], 0);
    let middle = app.json("/api/totals?from=2019-01-01T10:00:00.000001Z&to=2019-01-01T10:15:00Z").await;
    assert_eq!(middle["events"]["page_view"], 2);
    app.stop().await;
}
