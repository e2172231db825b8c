//! The live stream. One connection to PostgreSQL hears of every stored batch, for all open pages.
//!
//! What is passed on is a running total, not a queue of notices: a page that is slow, or is told
//! only ten times a second, hears of everything at once when its turn comes, and a page more costs a
//! few hundred bytes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, http::header};
use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream;
use migrations::Database;
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::figures::rfc3339;
use crate::{Analytics, PATIENCE};

/// The consumer notifies this channel in the transactions that store events.
const CHANNEL: &str = "events_stored";

/// A page is told at most this often.
const PACE: Duration = Duration::from_millis(100);

/// A comment keeps proxies from closing a quiet stream, and finds pages that are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Between attempts to connect to PostgreSQL.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What was stored since this process listens.
#[derive(Clone, Copy, Default)]
struct Heard {
    /// Of the newest batch; unknown after a time in which nothing was heard.
    stored_at: Option<DateTime<Utc>>,
    events: u64,
}

/// A notice of a stored batch.
#[derive(Deserialize)]
struct Notice {
    stored_at: DateTime<Utc>,
    events: u64,
}

/// Notices are remembered for so long.
const REMEMBERED: TimeDelta = TimeDelta::minutes(5);

/// When batches were stored lately, and of how many events.
type Lately = Arc<Mutex<VecDeque<(DateTime<Utc>, u64)>>>;

/// Where pages join in.
pub(crate) struct Live {
    heard: watch::Receiver<Heard>,
    lately: Lately,
    token: CancellationToken,
}

/// Begins to listen, and goes on until `token` is cancelled, through any number of lost connections.
pub(crate) fn listen(database: &Database, token: CancellationToken) -> anyhow::Result<Live> {
    let pool = database.pool("shopwindow analytics live", 1, PATIENCE)?;
    let (told, heard) = watch::channel(Heard::default());
    let lately = Lately::default();
    tokio::spawn({
        let (token, lately) = (token.clone(), lately.clone());
        async move { token.run_until_cancelled(keep_hearing(pool, told, lately)).await }
    });
    Ok(Live { heard, lately, token })
}

impl Live {
    /// A time since which at most about so many events have been stored, not before `earliest`.
    pub(crate) fn since(&self, earliest: DateTime<Utc>, most: u64) -> DateTime<Utc> {
        let lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = 0;
        for &(stored_at, of_batch) in lately.iter().rev() {
            events += of_batch;
            if events > most || stored_at < earliest {
                return stored_at.max(earliest) + TimeDelta::microseconds(1);
            }
        }
        earliest
    }
}

async fn keep_hearing(pool: PgPool, told: watch::Sender<Heard>, lately: Lately) {
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    loop {
        let error = match connect(&pool).await {
            Ok(listener) => {
                if lost {
                    info!("the live stream hears PostgreSQL again");
                }
                (pause, lost) = (FIRST_PAUSE, false);
                // what was stored before was not told, so let the pages look
                told.send_modify(|heard| heard.stored_at = None);
                hear(listener, &told, &lately).await
            }
            Err(error) => error,
        };
        if !lost {
            warn!(error = format!("{error:#}"), "the live stream does not hear PostgreSQL, trying again");
        }
        lost = true;
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn connect(pool: &PgPool) -> anyhow::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await.context("connect")?;
    // connecting again is our business, for the pages must be told
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await.context("listen")?;
    Ok(listener)
}

/// Tells what it hears until the connection is lost; returns how.
async fn hear(mut listener: PgListener, told: &watch::Sender<Heard>, lately: &Lately) -> anyhow::Error {
    loop {
        match timeout(HEARTBEAT, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => tell(notification.payload(), told, lately),
            Ok(Ok(None)) => return anyhow!("the connection was closed"),
            Ok(Err(error)) => return error.into(),
            // a connection that is silently dead never says anything
            Err(_) => match timeout(PATIENCE, sqlx::query("select 1").execute(&mut listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return anyhow!("the connection is dead"),
            },
        }
    }
}

fn tell(payload: &str, told: &watch::Sender<Heard>, lately: &Lately) {
    let notice = serde_json::from_str(payload).unwrap_or_else(|error| {
        warn!(%error, payload, "a notice on {CHANNEL} is not as agreed");
        Notice { stored_at: Utc::now(), events: 0 }
    });
    {
        let mut lately = lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.push_back((notice.stored_at, notice.events));
        while lately.front().is_some_and(|(stored_at, _)| *stored_at < notice.stored_at - REMEMBERED) {
            lately.pop_front();
        }
    }
    told.send_modify(|heard| {
        heard.events += notice.events;
        // consumers commit side by side
        heard.stored_at = heard.stored_at.max(Some(notice.stored_at));
    });
}

/// `GET /api/live`: an event `counts` soon after every stored batch, with how many events were stored
/// since the one before. Whoever joins in, or joins again, reads the figures first.
pub(crate) async fn stream(analytics: Data<Analytics>) -> HttpResponse {
    let mut heard = analytics.live.heard.clone();
    let known = heard.borrow_and_update().events;
    let page = Page { heard, known, next: Instant::now(), joined: false };
    let token = analytics.live.token.clone();
    // held until the stream has ended
    let answered = analytics.answering.token();
    let events = stream::unfold((page, token, answered), |(mut page, token, answered)| async {
        let event = token.run_until_cancelled(page.event()).await.flatten()?;
        Some((Ok::<_, Infallible>(event), (page, token, answered)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        // nginx would hold the events back
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events)
}

/// An open page.
struct Page {
    heard: watch::Receiver<Heard>,
    /// How many events it has been told of.
    known: u64,
    /// When it may be told again.
    next: Instant,
    joined: bool,
}

impl Page {
    /// Waits for what to send next; none when there is nothing more to come.
    async fn event(&mut self) -> Option<Bytes> {
        if !self.joined {
            self.joined = true;
            return Some(Bytes::from_static(b"retry: 1000\n\n"));
        }
        sleep_until(self.next).await;
        match timeout(HEARTBEAT, self.heard.changed()).await {
            Err(_) => Some(Bytes::from_static(b":\n\n")),
            Ok(Err(_)) => None,
            Ok(Ok(())) => {
                let heard = *self.heard.borrow_and_update();
                let events = heard.events - self.known;
                self.known = heard.events;
                self.next = Instant::now() + PACE;
                let stored_at = rfc3339(heard.stored_at.unwrap_or_else(Utc::now));
                Some(format!("event: counts\ndata: {{\"stored_at\":\"{stored_at}\",\"events\":{events}}}\n\n").into())
            }
        }
    }
}
