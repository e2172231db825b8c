//! The live stream.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::timeout;

use crate::app::App;

/// An open stream.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(app: &App) -> Self {
        let url = format!("{}/api/live", app.address);
        let response = app.client.get(url).header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        Self { response, text: String::new() }
    }

    /// The next block of lines, none at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = timeout(Duration::from_secs(5), self.response.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The data of the next `counts`.
    async fn counts(&mut self) -> Value {
        loop {
            let block = self.block().await.unwrap();
            if let Some(data) = block.strip_prefix("event: counts\ndata: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

async fn notify(pool: &PgPool, payload: &str) {
    sqlx::query("select pg_notify('events_stored', $1)").bind(payload).execute(pool).await.unwrap();
}

/// Who listens, in `pg_stat_activity`.
async fn listener(pool: &PgPool) -> i32 {
    let asked = Instant::now();
    loop {
        let pid = sqlx::query_scalar(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'shopwindow analytics live'
                 and state = 'idle' and query ilike 'listen%'",
        );
        if let Some(pid) = pid.fetch_optional(pool).await.unwrap() {
            return pid;
        }
        assert!(asked.elapsed() < Duration::from_secs(5), "nobody listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stored_batch_is_on_every_stream_within_a_second(pool: PgPool) {
    let app = App::start(&pool);
    listener(&pool).await;
    let mut streams = [Stream::open(&app).await, Stream::open(&app).await];
    for stream in &mut streams {
        assert_eq!(stream.block().await.unwrap(), "retry: 1000");
    }
    let stored = Instant::now();
    notify(&pool, r#"{"stored_at":"2026-03-01T12:00:00.5+00:00","events":17}"#).await;
    for stream in &mut streams {
        assert_eq!(stream.counts().await, json!({ "stored_at": "2026-03-01T12:00:00.500000Z", "events": 17 }));
    }
    assert!(stored.elapsed() < Duration::from_secs(1), "{:?}", stored.elapsed());
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn many_batches_at_once_are_told_together(pool: PgPool) {
    let app = App::start(&pool);
    listener(&pool).await;
    let mut stream = Stream::open(&app).await;
    stream.block().await.unwrap();
    let begun = Instant::now();
    for batch in 1..=500 {
        notify(&pool, &format!(r#"{{"stored_at":"2026-03-01T12:00:00.{batch:06}Z","events":2}}"#)).await;
    }
    let (mut events, mut told) = (0, 0);
    let mut newest = json!(null);
    while events < 1_000 {
        let counts = stream.counts().await;
        events += counts["events"].as_u64().unwrap();
        newest = counts["stored_at"].clone();
        told += 1;
    }
    assert_eq!((events, newest), (1_000, json!("2026-03-01T12:00:00.000500Z")));
    assert!(told <= 2 + begun.elapsed().as_millis() / 100, "{told} in {:?}", begun.elapsed());
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_lost_connection_to_postgresql_is_made_again_and_the_pages_are_told(pool: PgPool) {
    let app = App::start(&pool);
    let first = listener(&pool).await;
    let mut stream = Stream::open(&app).await;
    stream.block().await.unwrap();
    sqlx::query("select pg_terminate_backend($1)").bind(first).execute(&pool).await.unwrap();
    assert_eq!(stream.counts().await["events"], 0);
    assert_ne!(listener(&pool).await, first);
    notify(&pool, r#"{"stored_at":"2036-03-01T12:00:00Z","events":3}"#).await;
    assert_eq!(stream.counts().await, json!({ "stored_at": "2036-03-01T12:00:00.000000Z", "events": 3 }));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_notice_that_is_not_as_agreed_makes_the_pages_look_all_the_same(pool: PgPool) {
    let app = App::start(&pool);
    listener(&pool).await;
    let mut stream = Stream::open(&app).await;
    notify(&pool, "something was stored").await;
    assert_eq!(stream.counts().await["events"], 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_server_stops_at_once_with_streams_open(pool: PgPool) {
    let app = App::start(&pool);
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&app).await);
    }
    // an idle connection that a browser keeps
    assert_eq!(app.get("/healthz").await.status, 200);
    let took = app.stop().await;
    assert!(took < Duration::from_millis(500), "{took:?}");
    for stream in &mut streams {
        while stream.block().await.is_some() {}
    }
}
