use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analytics::{Config, Neighbours};
use events::Kafka;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The shop's, as in a demo.
pub(crate) const SESSION_GAP: Duration = Duration::from_secs(600);

/// A server on a free port.
pub(crate) struct App {
    pub(crate) address: String,
    pub(crate) client: reqwest::Client,
    token: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

/// An answer, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Response {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl App {
    /// On the test's database, alone in its process.
    pub(crate) fn start(pool: &PgPool) -> Self {
        let url = pool.connect_options().to_url_lossy();
        Self::start_on(url.as_str(), Kafka::plain("127.0.0.1:1", "none"), Arc::new(Vec::new))
    }

    pub(crate) fn start_on(database_url: &str, kafka: Kafka, neighbours: Neighbours) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let analytics_addr = listener.local_addr().unwrap();
        let config = Config {
            database: migrations::Database { url: database_url.into() },
            kafka,
            analytics_addr,
            storefront_url: "http://shop.test/".into(),
        };
        let token = CancellationToken::new();
        let server = analytics::serve(listener, config, neighbours, token.clone()).unwrap();
        Self {
            address: format!("http://{analytics_addr}"),
            client: reqwest::Client::new(),
            token,
            server: tokio::spawn(server),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let response = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The JSON of a path that must answer 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text);
        response.json()
    }

    /// How long the server took to stop.
    pub(crate) async fn stop(self) -> Duration {
        let asked = Instant::now();
        self.token.cancel();
        self.server.await.unwrap().unwrap();
        asked.elapsed()
    }
}

/// It is problem details that quote something.
#[track_caller]
pub(crate) fn assert_problem(response: &Response, status: u16, quotes: &str) {
    assert_eq!(response.status, status, "{}", response.text);
    assert_eq!(response.headers["content-type"], "application/problem+json");
    let problem = response.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], "about:blank");
    assert!(!problem["title"].as_str().unwrap().is_empty());
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(quotes), "{quotes:?} is not in {detail:?}");
}

/// Stores events: what an object leaves out is made up, the ids too. Then counts again.
pub(crate) async fn store(pool: &PgPool, events: Value) {
    let made_up = json!({
        "topic": "ecommerce", "partition": 0, "offset": 0, "source": "test", "user_id": "u1",
        "event_type": "page_view", "stored_at": "2026-03-01T00:00:00Z"
    });
    sqlx::query(
        "insert into events
         select (jsonb_populate_record(null::events, jsonb_build_object('event_id', gen_random_uuid()) || $1 || event)).*
         from jsonb_array_elements($2) as event",
    )
    .bind(made_up)
    .bind(events)
    .execute(pool)
    .await
    .unwrap();
    recount(pool).await;
}

/// Makes the kept figures those of the events in the table.
pub(crate) async fn recount(pool: &PgPool) {
    sqlx::query("update settings set kept_timezone = null").execute(pool).await.unwrap();
    let tz: String = sqlx::query_scalar("select timezone from settings").fetch_one(pool).await.unwrap();
    set_shop_timezone(pool, &tz).await;
}

/// The same with half of the events not folded yet, so that sets of users lag.
pub(crate) async fn recount_half(pool: &PgPool) {
    sqlx::raw_sql(include_str!("leave_half_out.sql")).execute(pool).await.unwrap();
    recount(pool).await;
    sqlx::raw_sql(include_str!("append_half.sql")).execute(pool).await.unwrap();
}

pub(crate) async fn set_shop_timezone(pool: &PgPool, tz: &str) {
    consumer::set_timezone(pool, tz).await.unwrap();
    consumer::set_session_gap(pool, SESSION_GAP).await.unwrap();
    consumer::fold_all(pool).await.unwrap();
}

/// The days of an answer of `/api/daily`, with how many events of a type each has.
pub(crate) fn days<'a>(daily: &'a Value, event_type: &str) -> Vec<(&'a str, i64)> {
    let rows = daily["rows"].as_array().unwrap();
    rows.iter().map(|row| (row["day"].as_str().unwrap(), row[event_type].as_i64().unwrap())).collect()
}
