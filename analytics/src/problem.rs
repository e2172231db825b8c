//! What a client sees when there is no answer: problem details as in RFC 9457.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::json;
use tracing::{error, warn};

/// Why a request is not answered; its text is the `detail` that the client reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Parameter(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{path} takes GET and HEAD, not {method}")]
    Method { path: String, method: String },
    #[error(
        "PostgreSQL gives no connection, it is away or busy: see that it runs where DATABASE_URL says, then try again"
    )]
    Away(#[source] sqlx::Error),
    #[error("the database holds no tables of ours yet: start the consumer or run `shopwindow migrate`")]
    Schema(#[source] sqlx::Error),
    #[error("the disk of PostgreSQL is full: make room on it, then try again")]
    Full(#[source] sqlx::Error),
    #[error("counting took longer than 30 s: ask for a smaller range or fewer filters")]
    Slow,
    #[error("recounting the rows took longer than {} s: copy the query into psql, where it may take its time, or ask for a smaller range", .0.as_secs())]
    SlowRecount(Duration),
    #[error("{0} recounts are running already: try again when one of them is done")]
    Recounting(usize),
    #[error("something went wrong in here; the log of the analytics service says what")]
    Internal(#[source] anyhow::Error),
}

impl Problem {
    /// A parameter whose value cannot be used, and why.
    pub(crate) fn parameter(name: &str, value: &str, why: impl std::fmt::Display) -> Self {
        Self::Parameter(format!("{name} {} {why}", quoted(value)))
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        match (&error, code.as_str()) {
            (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed, _) => {
                Self::Away(error)
            }
            // refused at the door: starting, stopping, no such database or user, too many clients
            (_, "57P01" | "57P02" | "57P03" | "53300" | "3D000" | "28000" | "28P01") => Self::Away(error),
            (_, "53100") => Self::Full(error),
            (_, "57014") => Self::Slow,
            (_, "42P01" | "42703" | "42883") => Self::Schema(error),
            _ => Self::Internal(error.into()),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Away(_)
            | Self::Schema(_)
            | Self::Full(_)
            | Self::Slow
            | Self::SlowRecount(_)
            | Self::Recounting(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((header::ALLOW, "GET, HEAD"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "2"));
        }
        let problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        response.body(problem.to_string())
    }
}

impl Problem {
    /// Logs what the client is not told. Called once, by whoever answers.
    pub(crate) fn log(&self) {
        match self {
            Self::Parameter(_)
            | Self::NotFound(_)
            | Self::Method { .. }
            | Self::SlowRecount(_)
            | Self::Recounting(_) => {}
            Self::Slow => warn!("a query was cancelled after 30 s"),
            Self::Away(_) | Self::Schema(_) | Self::Full(_) => warn!(cause = self.cause(), "answered 503"),
            Self::Internal(_) => error!(cause = self.cause(), "answered 500"),
        }
    }

    fn cause(&self) -> String {
        let mut text = String::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
            cause = error.source();
        }
        text
    }
}

/// The answer of `asking`, unless PostgreSQL does not even keep to its own time limit.
pub(crate) async fn in_time<T>(asking: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(Duration::from_secs(33), asking).await.unwrap_or(Err(Problem::Slow))
}

pub(crate) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::NotFound(format!("there is nothing at {}", quoted(request.path()))))
}

pub(crate) async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::Method { path: quoted(request.path()), method: request.method().to_string() })
}

/// A client's text in quotes, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
