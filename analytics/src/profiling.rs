//! The profile of the stored events, as JSON and as a page, and the schema that they keep to.
//!
//! A profile reads every row, which takes as long as it takes: whoever asks gets what is there after a second. One
//! is made at a time, on a connection of its own, and is good for a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder, ResponseError};
use anyhow::Context;
use chrono::{DateTime, Utc};
use profile::{Profile, grouped};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::problem::Problem;
use crate::{Analytics, PATIENCE};

/// How old a profile may be when it is asked for.
const FRESH: Duration = Duration::from_secs(60);

/// How long a request waits for one.
const WAIT: Duration = Duration::from_secs(1);

/// The profile, and what is needed to make another.
pub(crate) struct Profiling {
    options: PgConnectOptions,
    /// Locked while one is made.
    last: Arc<Mutex<Last>>,
    /// That have been read by the one that is made.
    rows: Arc<AtomicU64>,
}

#[derive(Default)]
struct Last {
    made: Option<Made>,
    /// What became of the last attempt, until someone has been told.
    failed: Option<Problem>,
}

#[derive(Clone)]
struct Made {
    profile: Arc<Profile>,
    began: Instant,
    began_at: DateTime<Utc>,
}

/// What there is to answer.
enum State {
    Made(Made),
    /// So many rows have been read.
    Making(u64),
}

impl Profiling {
    /// Fails when the database's URL is none.
    pub(crate) fn new(database: &migrations::Database) -> anyhow::Result<Self> {
        let options = database.options("shopwindow profile")?.options([
            ("default_transaction_read_only", "on"),
            ("statement_timeout", "10min"),
            ("timezone", "UTC"),
        ]);
        Ok(Self { options, last: Arc::default(), rows: Arc::default() })
    }

    async fn ask(&self) -> Result<State, Problem> {
        let making = || State::Making(self.rows.load(Ordering::Relaxed));
        let Ok(mut last) = timeout(WAIT, self.last.clone().lock_owned()).await else { return Ok(making()) };
        if let Some(problem) = last.failed.take() {
            return Err(problem);
        }
        if let Some(made) = last.made.as_ref().filter(|made| made.began.elapsed() < FRESH) {
            return Ok(State::Made(made.clone()));
        }
        let (options, rows) = (self.options.clone(), self.rows.clone());
        rows.store(0, Ordering::Relaxed);
        // it goes on when the client has gone, for the next one
        tokio::spawn(async move {
            match make(&options, rows).await {
                Ok(made) => last.made = Some(made),
                Err(problem) => last.failed = Some(problem),
            }
        });
        let Ok(mut last) = timeout(WAIT, self.last.lock()).await else { return Ok(making()) };
        match (last.failed.take(), &last.made) {
            (Some(problem), _) => Err(problem),
            (None, Some(made)) => Ok(State::Made(made.clone())),
            (None, None) => Err(Problem::Internal(anyhow::anyhow!("profiling ended without a result"))),
        }
    }
}

async fn make(options: &PgConnectOptions, rows: Arc<AtomicU64>) -> Result<Made, Problem> {
    let (began, began_at) = (Instant::now(), Utc::now());
    let mut connection: PgConnection =
        timeout(PATIENCE, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    let profile =
        profile::stored(&mut connection, rows).await.map_err(|error| match error.downcast::<sqlx::Error>() {
            Ok(error) => Problem::from(error),
            Err(error) => Problem::Internal(error),
        })?;
    connection.close().await?;
    Ok(Made { profile: Arc::new(profile), began, began_at })
}

/// `GET /api/profile`: the profile of the stored events, at most a minute old; 202 and how many rows have been read
/// while it is made.
pub(crate) async fn json(analytics: Data<Analytics>) -> Result<HttpResponse, Problem> {
    Ok(match analytics.profiling.ask().await? {
        State::Made(made) => HttpResponse::Ok()
            .insert_header((header::LAST_MODIFIED, header::HttpDate::from(std::time::SystemTime::from(made.began_at))))
            .json(&*made.profile),
        State::Making(rows) => HttpResponse::Accepted()
            .insert_header((header::RETRY_AFTER, "2"))
            .json(json!({ "making": true, "rows_read": rows })),
    })
}

/// `GET /profile`: the same as a page, which asks again by itself until it is made.
pub(crate) async fn page(analytics: Data<Analytics>) -> Result<HttpResponse, Problem> {
    let (status, made, note) = match analytics.profiling.ask().await {
        Ok(State::Made(made)) => {
            let note = format!("As of {}", made.began_at.format("%-d %B %Y, %H:%M:%S UTC"));
            (StatusCode::OK, Some(made), note)
        }
        Ok(State::Making(rows)) => {
            (StatusCode::ACCEPTED, None, format!("Every stored event is read. {} have been so far.", grouped(rows)))
        }
        Err(problem) => {
            problem.log();
            (problem.status_code(), None, problem.to_string())
        }
    };
    let profile = made.as_ref().map(|made| &*made.profile);
    let html = profile::page(profile, &analytics.pages.url("profile.css"), &note)
        .context("render the profile")
        .map_err(Problem::Internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html))
}

/// `GET /schema.json`: the JSON Schema of an event.
pub(crate) async fn schema() -> impl Responder {
    HttpResponse::Ok().content_type("application/schema+json").body(events::SCHEMA)
}
