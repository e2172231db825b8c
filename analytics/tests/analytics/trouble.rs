//! PostgreSQL, Kafka or a neighbour is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use analytics::checks::{Finding, LONG, State, Trouble};
use chrono::Utc;
use events::Kafka;
use futures_util::future::join_all;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, Response};

/// Nothing listens there.
const NOWHERE: &str = "postgres://shopwindow@127.0.0.1:1/shopwindow";

fn names(problem: &Value) -> Vec<&str> {
    problem["away"].as_array().unwrap().iter().map(|away| away["part"].as_str().unwrap()).collect()
}

/// A topic that is not there yet.
fn topic() -> Kafka {
    let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
    Kafka::plain(brokers, format!("analytics-test-{}", uuid::Uuid::new_v4().simple()))
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

/// The first answer of `/readyz` that is another one than `before`, which is held for a second.
async fn readiness(app: &App, before: &str) -> Response {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let response = app.get("/readyz").await;
        if response.text != before || Instant::now() > deadline {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn ready_means_that_kafka_and_postgresql_and_the_neighbours_work(pool: PgPool) {
    let kafka = topic();
    let database = sqlx::ConnectOptions::to_url_lossy(&*pool.connect_options());

    let app = App::start_on(database.as_str(), kafka.clone(), Arc::new(Vec::new));
    let response = app.get("/readyz").await;
    assert_eq!((response.status, names(&response.json())), (503, vec!["kafka"]), "the topic is not there yet");
    kafka.ensure_topic().await.unwrap();
    // held for a second, and a new topic's partitions have no leaders for a moment
    let ready = readiness(&app, &response.text).await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true })));
    app.stop().await;

    let neighbours = || {
        vec![Finding::trouble("consumer", Trouble::new("it has stopped", "start it again")), Finding::ok("other", "")]
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    let counted = move || {
        counting.fetch_add(1, Ordering::Relaxed);
        neighbours()
    };
    let app = App::start_on(database.as_str(), kafka.clone(), Arc::new(counted));
    let responses = join_all((0..20).map(|_| app.get("/readyz"))).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "an answer is for all who ask within a second");
    let response = &responses[19];
    assert_eq!(response.status, 503);
    assert_eq!(
        response.json()["away"],
        json!([{ "part": "consumer", "state": "trouble", "detail": "it has stopped", "remedy": "start it again" }])
    );
    app.stop().await;

    let app = App::start_on(NOWHERE, Kafka::plain("127.0.0.1:1", "none"), Arc::new(neighbours));
    let asked = Instant::now();
    let response = app.get("/readyz").await;
    assert_eq!((response.status, names(&response.json())), (503, vec!["postgresql", "kafka", "consumer"]));
    assert!(response.text.contains("DATABASE_URL") && response.text.contains("KAFKA_BROKERS"), "{}", response.text);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn messages_that_wait_are_a_warning_unless_the_consumer_of_this_process_stands_still(pool: PgPool) {
    let kafka = topic();
    kafka.ensure_topic().await.unwrap();
    let producer: FutureProducer = kafka.producer().create().unwrap();
    let published = Utc::now() - LONG * 2;
    for partition in [0, 0, 1] {
        let record = FutureRecord::<str, str>::to(&kafka.topic).payload("{}").partition(partition);
        producer.send(record.timestamp(published.timestamp_millis()), Duration::from_secs(10)).await.unwrap();
    }
    let log = analytics::checks::log(&kafka, Duration::from_secs(10)).await.unwrap();
    let set_offset = async |partition: i32, next: i64, moved_ago: Duration| {
        sqlx::query(
            "insert into consumer_offsets (cluster_id, topic, partition, next_offset, updated_at)
             values ($1, $2, $3, $4, now() - $5 * interval '1 s')
             on conflict (cluster_id, topic, partition)
                 do update set next_offset = excluded.next_offset, updated_at = excluded.updated_at",
        )
        .bind(&log.cluster_id)
        .bind(&kafka.topic)
        .bind(partition)
        .bind(next)
        .bind(moved_ago.as_secs_f64())
        .execute(&pool)
        .await
        .unwrap();
    };
    let database = sqlx::ConnectOptions::to_url_lossy(&*pool.connect_options());
    let alone = App::start_on(database.as_str(), kafka.clone(), Arc::new(Vec::new));
    let with_consumer = App::start_on(database.as_str(), kafka.clone(), Arc::new(|| vec![Finding::ok("consumer", "")]));
    let detail = |finding: &Value| finding["detail"].as_str().unwrap().to_owned();

    set_offset(0, 1, LONG * 2).await;
    let ready = alone.json("/readyz").await;
    assert_eq!((&ready["ready"], &ready["warnings"][0]["state"]), (&json!(true), &json!(State::Warning)), "{ready}");
    assert!(detail(&ready["warnings"][0]).starts_with("stands still: 2 messages"), "{ready}");
    let stalled = with_consumer.get("/readyz").await;
    assert_eq!((stalled.status, names(&stalled.json())), (503, vec!["consumer"]));
    assert_eq!(detail(&stalled.json()["away"][0]), detail(&ready["warnings"][0]));

    set_offset(0, 1, Duration::ZERO).await;
    let lagging = readiness(&with_consumer, &stalled.text).await;
    let (lagged, lagging) = (lagging.text.clone(), lagging.json());
    assert_eq!((&lagging["ready"], &lagging["warnings"][0]["part"]), (&json!(true), &json!("consumer")), "{lagging}");
    assert!(detail(&lagging["warnings"][0]).starts_with("lags: 2 messages"), "{lagging}");

    set_offset(0, 2, LONG * 2).await;
    set_offset(1, 1, LONG * 2).await;
    let ready = readiness(&with_consumer, &lagged).await;
    assert_eq!(ready.json(), json!({ "ready": true }));

    set_offset(1, 7, Duration::ZERO).await;
    let lost = readiness(&with_consumer, &ready.text).await;
    assert_eq!((lost.status, names(&lost.json())), (503, vec!["consumer"]));
    assert!(detail(&lost.json()["away"][0]).contains("offset 7 of partition 1"), "{}", lost.text);
    alone.stop().await;
    with_consumer.stop().await;
}
