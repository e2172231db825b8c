//! Single events.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, store};

const STORED: &str = "6f1c2a52-0000-4000-8000-000000000001";
const REJECTED: &str = "6f1c2a52-0000-4000-8000-000000000002";
const LINE: &str = "6f1c2a52-0000-4000-8000-000000000003";
const IMPORT: &str = "6f1c2a52-0000-4000-8000-0000000000ff";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_latest_events_are_newest_stored_first(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "second", "stored_at": "2026-01-01T00:00:02Z" },
            { "occurred_at": "2019-01-02T10:00:00Z", "user_id": "third", "stored_at": "2026-01-01T00:00:01Z" },
            { "occurred_at": "2018-01-01T10:00:00Z", "user_id": "first", "stored_at": "2026-01-01T00:00:03Z" },
            // of one batch: the one that happened later
            { "occurred_at": "2019-01-03T10:00:00Z", "user_id": "later", "stored_at": "2026-01-01T00:00:02Z" },
        ]),
    )
    .await;
    let app = App::start(&pool);
    let users = async |path: &str| -> Vec<String> {
        let latest = app.json(path).await;
        latest["rows"].as_array().unwrap().iter().map(|row| row["user_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(users("/api/latest").await, ["first", "later", "second", "third"]);
    assert_eq!(users("/api/latest?limit=1").await, ["first"]);
    assert_eq!(users("/api/latest?user_id=second&user_id=third").await, ["second", "third"]);
    assert_eq!(users("/api/latest?from=2019-01-02&to=2019-01-03").await, ["third"]);
    app.stop().await;
}

/// They are looked for in growing steps back from the last batch.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_latest_events_are_found_however_long_ago_they_were_stored(pool: PgPool) {
    store(
        &pool,
        json!([
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "last", "stored_at": "2026-01-05T00:00:00Z" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "a step", "stored_at": "2026-01-04T23:59:59.9Z" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "a second", "stored_at": "2026-01-04T23:59:59Z" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "an hour", "stored_at": "2026-01-04T23:00:00Z" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "a year", "stored_at": "2025-01-05T00:00:00Z" },
            { "occurred_at": "2019-01-01T10:00:00Z", "user_id": "a decade", "stored_at": "2016-01-05T00:00:00Z" },
        ]),
    )
    .await;
    sqlx::query(
        "insert into consumer_offsets (cluster_id, topic, partition, next_offset, updated_at)
         values ('c', 't', 0, 4, '2026-01-05T00:00:00Z'), ('c', 't', 1, 0, '2026-01-01T00:00:00Z')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = App::start(&pool);
    for limit in 1..=7 {
        let latest = app.json(&format!("/api/latest?limit={limit}")).await;
        let users: Vec<&str> =
            latest["rows"].as_array().unwrap().iter().map(|row| row["user_id"].as_str().unwrap()).collect();
        let all = ["last", "a step", "a second", "an hour", "a year", "a decade"];
        assert_eq!(users, all[..limit.min(6)]);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_is_shown_with_all_it_holds_and_nothing_else(pool: PgPool) {
    store(
        &pool,
        json!([{
            "event_id": STORED, "occurred_at": "2019-01-01T10:00:00.000001Z", "stored_at": "2026-01-01T00:00:02.5Z",
            "partition": 3, "offset": 9_000_000_000_i64, "event_type": "order", "user_id": "7300000000000000001",
            "state": "Texas", "price": "6.250", "quantity": 2, "amount": "12.500", "currency": "USD", "latitude": 1.5,
            "import_id": IMPORT, "attributes": { "coupon": null, "big": 12345678901234567890_u64 }
        }]),
    )
    .await;
    let app = App::start(&pool);
    let event = json!({
        "event_id": STORED, "event_type": "order", "occurred_at": "2019-01-01T10:00:00.000001Z",
        "user_id": "7300000000000000001", "source": "test", "price": "6.250", "quantity": 2, "amount": "12.500",
        "currency": "USD", "state": "Texas", "latitude": 1.5, "import_id": IMPORT,
        "attributes": { "coupon": null, "big": 12345678901234567890_u64 },
        "stored_at": "2026-01-01T00:00:02.500000Z", "topic": "ecommerce", "partition": 3, "offset": 9_000_000_000_i64
    });
    assert_eq!(app.json("/api/latest").await, json!({ "rows": [event] }));
    assert_eq!(
        app.json(&format!("/api/events/{STORED}")).await,
        json!({
            "state": "stored", "stored_at": "2026-01-01T00:00:02.500000Z", "topic": "ecommerce", "partition": 3,
            "offset": 9_000_000_000_i64, "event": event
        })
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rejected_event_is_found_with_reason_and_place(pool: PgPool) {
    sqlx::query(
        "insert into rejected_events (rejected_at, topic, partition, \"offset\", event_id, reason, import_id, line) values
         ('2026-01-01T00:00:01Z', 'ecommerce', 4, 17, $1::uuid, 'user_id is missing', null, null),
         ('2025-01-01T00:00:01Z', 'ecommerce', 4, 16, $1::uuid, 'an older one', null, null),
         ('2026-01-01T00:00:01Z', null, null, null, $2::uuid, 'time is none', $3::uuid, 12)",
    )
    .bind(REJECTED)
    .bind(LINE)
    .bind(IMPORT)
    .execute(&pool)
    .await
    .unwrap();
    let app = App::start(&pool);
    let rejected = |reason: &str, place: [Value; 5]| {
        let [topic, partition, offset, import_id, line] = place;
        json!({ "state": "rejected", "reason": reason, "rejected_at": "2026-01-01T00:00:01.000000Z", "topic": topic,
                "partition": partition, "offset": offset, "import_id": import_id, "line": line })
    };
    assert_eq!(
        app.json(&format!("/api/events/{REJECTED}")).await,
        rejected("user_id is missing", [json!("ecommerce"), json!(4), json!(17), json!(null), json!(null)])
    );
    assert_eq!(
        app.json(&format!("/api/events/{LINE}")).await,
        rejected("time is none", [json!(null), json!(null), json!(null), json!(IMPORT), json!(12)])
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_that_never_came_is_a_404(pool: PgPool) {
    let app = App::start(&pool);
    let response = app.get(&format!("/api/events/{STORED}")).await;
    assert_eq!(response.status, 404);
    assert!(response.json()["detail"].as_str().unwrap().contains(STORED), "{}", response.text);
    app.stop().await;
}
