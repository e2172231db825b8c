//! PostgreSQL, Kafka or a neighbour is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use analytics::Away;
use events::Kafka;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::App;

/// Nothing listens there.
const NOWHERE: &str = "postgres://shopwindow@127.0.0.1:1/shopwindow";

fn names(problem: &Value) -> Vec<&str> {
    problem["away"].as_array().unwrap().iter().map(|away| away["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_is_away_every_answer_comes_soon_and_says_so() {
    let app = App::start_on(NOWHERE, Kafka::plain("127.0.0.1:1", "none"), Arc::new(Vec::new));
    let asked = Instant::now();
    let paths = ["/api/daily", "/api/breakdown?by=product", "/api/totals?tz=Europe/Berlin", "/api/latest", "/api/shop"];
    for response in join_all(paths.map(|path| app.get(path))).await {
        assert_eq!(response.status, 503, "{}", response.text);
        assert_eq!(response.headers["content-type"], "application/problem+json");
        assert!(response.headers.contains_key("retry-after"));
        assert!(response.json()["detail"].as_str().unwrap().contains("DATABASE_URL"), "{}", response.text);
    }
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    let page = app.get("/").await;
    assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (503, "text/html; charset=utf-8"));
    assert!(page.text.contains("PostgreSQL"), "{}", page.text);
    assert_eq!(app.get("/healthz").await.status, 200);
    assert!(app.stop().await < Duration::from_millis(700));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_database_without_tables_is_a_503_that_says_what_to_run(pool: PgPool) {
    sqlx::query("drop schema public cascade").execute(&pool).await.unwrap();
    let app = App::start(&pool);
    for path in ["/api/daily", "/api/latest", "/api/shop"] {
        let response = app.get(path).await;
        assert_eq!(response.status, 503, "{path}: {}", response.text);
        assert!(response.json()["detail"].as_str().unwrap().contains("shopwindow migrate"), "{}", response.text);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_error_inside_is_a_500_that_shows_no_sql(pool: PgPool) {
    sqlx::query("update settings set timezone = 'Mars/Olympus'").execute(&pool).await.unwrap();
    let app = App::start(&pool);
    let response = app.get("/api/daily").await;
    assert_eq!(response.status, 500, "{}", response.text);
    let detail = response.json()["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("Mars") && !detail.contains("zone") && detail.contains("log"), "{detail}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn ready_means_that_kafka_and_postgresql_and_the_neighbours_work(pool: PgPool) {
    let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
    let kafka = Kafka::plain(brokers, format!("analytics-test-{}", uuid::Uuid::new_v4().simple()));
    let database = sqlx::ConnectOptions::to_url_lossy(&*pool.connect_options());

    let app = App::start_on(database.as_str(), kafka.clone(), Arc::new(Vec::new));
    let response = app.get("/readyz").await;
    assert_eq!((response.status, names(&response.json())), (503, vec!["kafka"]), "the topic is not there yet");
    kafka.ensure_topic().await.unwrap();
    assert_eq!(app.json("/readyz").await, json!({ "ready": true }));
    app.stop().await;

    let neighbours = || vec![Away { name: "consumer".into(), detail: "it has stopped; start it again".into() }];
    let app = App::start_on(database.as_str(), kafka.clone(), Arc::new(neighbours));
    let response = app.get("/readyz").await;
    assert_eq!(response.status, 503);
    assert_eq!(response.json()["away"], json!([{ "name": "consumer", "detail": "it has stopped; start it again" }]));
    app.stop().await;

    let app = App::start_on(NOWHERE, Kafka::plain("127.0.0.1:1", "none"), Arc::new(neighbours));
    let asked = Instant::now();
    let response = app.get("/readyz").await;
    assert_eq!((response.status, names(&response.json())), (503, vec!["postgresql", "kafka", "consumer"]));
    assert!(response.text.contains("DATABASE_URL") && response.text.contains("KAFKA_BROKERS"), "{}", response.text);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    app.stop().await;
}
