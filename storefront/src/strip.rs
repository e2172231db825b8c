//! "What just happened", at the foot of each page: the event, its place on the topic, and, as soon as
//! it is known, how long it took to be stored.

use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::Context;
use events::{Event, EventType};
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::Shop;
use crate::catalog::Product;
use crate::error::PageError;
use crate::publisher::Place;
use crate::visit::{Silence, Visit};

/// How long an unanswered question for a row is kept.
const PATIENCE: Duration = Duration::from_secs(10);

/// The strip, where it is switched on.
pub(crate) struct Strip {
    pool: PgPool,
    topic: String,
}

/// The strip of one page.
#[derive(Serialize)]
pub(crate) struct StripView {
    open: bool,
    topic: String,
    event: Option<EventView>,
    silence: Option<&'static str>,
}

#[derive(Serialize)]
struct EventView {
    id: Uuid,
    sentence: String,
    lines: Vec<Line>,
    place: Option<Place>,
}

/// One field of the event's JSON, the value as it is written there.
#[derive(Serialize)]
struct Line {
    key: String,
    value: String,
}

/// What became of the page's event.
pub(crate) enum Outcome<'e> {
    Published(&'e Event<'e>, Option<Place>),
    Silent(Silence),
}

impl Strip {
    /// Connects when first asked.
    pub(crate) fn new(database: &migrations::Database, topic: &str) -> anyhow::Result<Self> {
        let pool = database.pool("shopwindow storefront", 4, Duration::from_secs(1))?;
        Ok(Self { pool, topic: topic.to_owned() })
    }

    pub(crate) fn view(&self, visit: &Visit, product: &Product, outcome: &Outcome<'_>) -> anyhow::Result<StripView> {
        let (event, silence) = match outcome {
            Outcome::Published(event, place) => (Some(EventView::of(event, product, *place)?), None),
            Outcome::Silent(Silence::Head) => (None, Some("A HEAD request asks for no page, so nobody saw one.")),
            Outcome::Silent(Silence::Bot) => {
                (None, Some("Your browser says that it is a robot, or says nothing of itself; robots are not counted."))
            }
        };
        Ok(StripView { open: visit.strip_open, topic: self.topic.clone(), event, silence })
    }

    /// When the visitor's event was stored; `None` when it is not there yet.
    async fn stored(&self, event_id: Uuid, user_id: &str) -> sqlx::Result<Option<Stored>> {
        let row = sqlx::query!(
            r#"select occurred_at, stored_at, partition, "offset" from events where event_id = $1 and user_id = $2"#,
            event_id,
            user_id
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Stored {
            // the two clocks may be those of two machines
            stored_after_ms: (row.stored_at - row.occurred_at).num_milliseconds().max(0),
            partition: row.partition,
            offset: row.offset,
        }))
    }
}

impl EventView {
    fn of(event: &Event<'_>, product: &Product, place: Option<Place>) -> anyhow::Result<Self> {
        let sentence = match event.event_type {
            EventType::BannerShow => {
                format!("You opened the home page, and its window showed you {}.", product.category)
            }
            EventType::BannerClick => format!("You opened the page of {}.", product.name),
            _ => format!("You ordered {}.", product.name),
        };
        let json = serde_json::to_string_pretty(event).context("write the event as JSON")?;
        // every value of these events is a scalar: a field is a line
        let lines = json
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": "))
            .map(|(key, value)| Line { key: key.to_owned(), value: value.trim_end_matches(',').to_owned() })
            .collect();
        Ok(Self { id: event.event_id, sentence, lines, place })
    }
}

#[derive(Serialize)]
struct Stored {
    stored_after_ms: i64,
    partition: i32,
    offset: i64,
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/strip/{event_id}", web::get().to(follow));
}

/// Answers as soon as the visitor's event is stored, or with 204 when that takes too long.
async fn follow(
    request: HttpRequest,
    shop: web::Data<Shop>,
    event_id: web::Path<String>,
    visit: Visit,
) -> Result<HttpResponse, PageError> {
    let strip = shop.strip.as_ref().ok_or(PageError::NotFound)?;
    let event_id = Uuid::try_parse(&event_id).map_err(|_| PageError::NotFound)?;
    let user_id = visit.visitor.user_id();
    let asked = Instant::now();
    let mut failure = None;
    while asked.elapsed() < PATIENCE {
        match strip.stored(event_id, &user_id).await {
            Ok(Some(stored)) => {
                return Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(stored));
            }
            Ok(None) => failure = None,
            // the database may be back in a moment
            Err(error) => failure = Some(error),
        }
        // most are stored within tens of milliseconds
        let pause = if asked.elapsed() < Duration::from_secs(1) { 25 } else { 250 };
        tokio::select! {
            () = sleep(Duration::from_millis(pause)) => {}
            () = shop.stop.cancelled() => break,
        }
    }
    if let Some(error) = failure {
        tracing::warn!(error = error.to_string(), path = request.path(), "cannot ask the database for an event");
    }
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}
