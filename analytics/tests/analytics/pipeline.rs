//! How the pipeline does.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use events::Kafka;
use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, recount, store};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_pipeline_tells_what_became_of_messages_and_how_soon(pool: PgPool) {
    let stored_at = Utc::now();
    let event = |milliseconds: i64| {
        json!({
            "occurred_at": stored_at - TimeDelta::milliseconds(milliseconds), "stored_at": stored_at, "user_id": "u"
        })
    };
    let imported = json!({
        "occurred_at": "2019-01-01T00:00:00Z", "stored_at": stored_at, "user_id": "u",
        "import_id": "6f1c2a52-0000-4000-8000-0000000000ff"
    });
    store(&pool, json!([event(10), event(20), event(30), imported])).await;
    recount(&pool).await;
    sqlx::query(
        "insert into consumer_offsets (cluster_id, topic, partition, next_offset, stored, duplicate, rejected, late)
         values ('c', 'none', 0, 7, 4, 2, 1, 0), ('c', 'none', 1, 3, 3, 0, 0, 1)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = App::start(&pool);
    let pipeline = app.json("/api/pipeline").await;
    assert_eq!(pipeline["messages"], json!({ "stored": 7, "duplicate": 2, "rejected": 1, "late": 1 }));
    assert_eq!(pipeline["pending"], json!({ "without_users": 0, "without_sessions": 0 }));
    assert_eq!(pipeline["latency"]["events"], 3, "{pipeline}");
    assert_eq!(pipeline["latency"]["p50_ms"], 20.0);
    assert!(pipeline["postgresql"]["database_bytes"].as_i64().unwrap() > 0);
    // nothing listens where this Kafka should be
    assert_eq!(pipeline["lag"], json!(null));
    assert!(!pipeline["kafka"]["remedy"].as_str().unwrap().is_empty());

    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    sqlx::query("update consumer_offsets set stored = 8 where partition = 0").execute(&pool).await.unwrap();
    assert_eq!(app.get("/metrics").await.text, metrics.text, "an answer is for all who ask within a second");
    for line in [
        "shopwindow_up{part=\"postgresql\"} 1.0",
        "shopwindow_up{part=\"kafka\"} 0.0",
        "shopwindow_messages_total{outcome=\"stored\"} 7",
        "shopwindow_messages_total{outcome=\"duplicate\"} 2",
        "shopwindow_late_events_total 1",
        "shopwindow_latency_seconds{quantile=\"0.5\"} 0.02",
        "# EOF",
    ] {
        assert!(metrics.text.lines().any(|found| found == line), "{line} is missing in\n{}", metrics.text);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn many_viewers_get_one_answer_a_second(pool: PgPool) {
    let app = App::start(&pool);
    // two looks have different times from when they look back
    let paths = ["/api/pipeline", "/api/pipeline?again"];
    let told = join_all((0..20).map(|n| app.get(paths[n % 2]))).await;
    let after = app.get("/api/pipeline").await;
    for answer in told.iter().chain([&after]) {
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
        assert_eq!(answer.text, told[0].text);
    }
    assert_eq!(app.client.post(format!("{}/api/pipeline", app.address)).send().await.unwrap().status(), 405);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(app.json("/api/pipeline").await["latency"]["since"], after.json()["latency"]["since"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_that_postgresql_is_away() {
    let nowhere = "postgres://shopwindow@127.0.0.1:1/shopwindow";
    let app = App::start_on(nowhere, Kafka::plain("127.0.0.1:1", "none"), Arc::new(Vec::new));
    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text.contains("shopwindow_up{part=\"postgresql\"} 0.0\n"), "{}", metrics.text);
    assert_eq!(app.get("/api/pipeline").await.status, 503);
    app.stop().await;
}
