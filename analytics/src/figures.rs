//! The figures in JSON: the shop's calendar, and events and revenue by day, by dimension and in all.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgExecutor};
use sqlx::types::Json;

use crate::Analytics;
use crate::details;
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::sales::Orders;
use crate::sessions::{self, SessionDays};
use crate::span::{Span, View, Zones, query_of_span};
use crate::users::{Pending, Sets, Users};

/// A hundred years: more than anyone has events of.
const MAX_DAYS: i64 = 36_600;

/// What is remembered from one question to the next.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) zones: Zones,
    pub(crate) sets: Sets,
    pub(crate) sessions: SessionDays,
}

/// Revenue: currencies and their sums in decimal.
pub(crate) type Amount = BTreeMap<String, String>;

#[derive(Serialize)]
struct Calendar {
    tz: String,
    now: String,
    today: NaiveDate,
    tomorrow_starts_at: String,
    storefront: String,
}

#[derive(Serialize)]
pub(crate) struct Daily {
    tz: String,
    rows: Vec<Day>,
}

/// Events and revenue of a day of the zone.
#[derive(Serialize)]
struct Day {
    day: NaiveDate,
    banner_show: i64,
    banner_click: i64,
    page_view: i64,
    product_view: i64,
    cart: i64,
    cart_remove: i64,
    order: i64,
    amount: Json<Amount>,
}

#[derive(Serialize)]
pub(crate) struct Breakdown {
    rows: Vec<Part>,
}

/// Events and revenue of a value of a dimension.
#[derive(Serialize)]
struct Part {
    value: Option<String>,
    banner_show: i64,
    banner_click: i64,
    page_view: i64,
    product_view: i64,
    cart: i64,
    cart_remove: i64,
    order: i64,
    amount: Json<Amount>,
    users: i64,
}

/// A row of `breakdown.sql`.
pub(crate) struct Counted {
    pub(crate) value: Option<String>,
    pub(crate) banner_show: i64,
    pub(crate) banner_click: i64,
    pub(crate) page_view: i64,
    pub(crate) product_view: i64,
    pub(crate) cart: i64,
    pub(crate) cart_remove: i64,
    pub(crate) order: i64,
    pub(crate) amount: Json<Amount>,
}

#[derive(Serialize)]
pub(crate) struct Totals {
    events: Events,
    amount: Json<Amount>,
    users: i64,
    sessions: Option<i64>,
    first: Option<String>,
    last: Option<String>,
    pending: Lag,
}

/// Whether figures that cannot be summed lag: false, or for which range.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Lag {
    Not(bool),
    Range(Pending),
}

#[derive(Serialize)]
struct Events {
    banner_show: i64,
    banner_click: i64,
    page_view: i64,
    product_view: i64,
    cart: i64,
    cart_remove: i64,
    order: i64,
}

/// `GET /api/shop`: what the page needs to begin a new day when the shop does.
pub(crate) async fn shop(analytics: Data<Analytics>) -> Result<impl Responder, Problem> {
    let shop = in_time(Shop::now(&analytics.pool)).await?;
    Ok(Answer(Calendar {
        tz: shop.tz,
        now: rfc3339(shop.now),
        today: shop.today,
        tomorrow_starts_at: rfc3339(shop.tomorrow_starts_at),
        storefront: analytics.storefront.clone(),
    }))
}

/// `GET /api/daily`: every day of the range, zeros included.
pub(crate) async fn daily(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &[])?;
    let asking = async { Daily::of(&question, &analytics.known, &mut *analytics.pool.acquire().await?).await };
    Ok(Answer(in_time(asking).await?))
}

impl Daily {
    pub(crate) async fn of(question: &Question, known: &Known, connection: &mut PgConnection) -> Result<Self, Problem> {
        let span = Span::of(question, View::ByDay, &known.zones, connection).await?;
        let rows = query_of_span!(Day, "queries/daily.sql", span, MAX_DAYS + 1).fetch_all(connection).await?;
        if rows.len() as i64 > MAX_DAYS {
            let [from, to] = [("from", question.from), ("to", question.to)]
                .map(|(name, bound)| bound.map_or(format!("no {name}"), |bound| format!("{name} \"{bound}\"")));
            return Err(Problem::Parameter(format!("{from} and {to} span more than {MAX_DAYS} days")));
        }
        Ok(Self { tz: span.tz, rows })
    }
}

/// `GET /api/breakdown`: the values of a dimension, largest first.
pub(crate) async fn breakdown(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["by", "limit"])?;
    let by = question.by()?;
    let limit = question.limit(100, 10_000)?;
    let asking =
        async { Breakdown::of(&question, by, limit, &analytics.known, &mut *analytics.pool.acquire().await?).await };
    Ok(Answer(in_time(asking).await?))
}

impl Breakdown {
    pub(crate) async fn of(
        question: &Question,
        by: &'static str,
        limit: i64,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let whole = Span::of(question, View::Whole, &known.zones, connection).await?;
        if let Some((rows, users)) = details::breakdown(&whole, by, limit, known, connection).await? {
            return Ok(Self { rows: rows.into_iter().map(|row| row.with(&users)).collect() });
        }
        let span = Span::of(question, View::By(by), &known.zones, connection).await?;
        let rows =
            query_of_span!(Counted, "queries/breakdown.sql", span, by, limit).fetch_all(&mut *connection).await?;
        let users = known.sets.users(&span, View::By(by), connection).await?;
        Ok(Self { rows: rows.into_iter().map(|row| row.with(&users)).collect() })
    }
}

impl Breakdown {
    /// What it tells about orders.
    pub(crate) fn orders(self) -> Vec<Orders> {
        let orders = |Part { value, order, amount, users, .. }| Orders { value, orders: order, users, amount };
        self.rows.into_iter().map(orders).collect()
    }
}

impl Counted {
    fn with(self, users: &Users) -> Part {
        let users = users.of(self.value.as_deref());
        let Self { value, banner_show, banner_click, page_view, product_view, cart, cart_remove, order, amount } = self;
        Part { value, banner_show, banner_click, page_view, product_view, cart, cart_remove, order, amount, users }
    }
}

/// `GET /api/totals`: all events of the range together.
pub(crate) async fn totals(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &[])?;
    let asking = async { Totals::of(&question, &analytics.known, &mut *analytics.pool.acquire().await?).await };
    Ok(Answer(in_time(asking).await?))
}

impl Totals {
    pub(crate) async fn of(question: &Question, known: &Known, connection: &mut PgConnection) -> Result<Self, Problem> {
        let span = Span::of(question, View::Whole, &known.zones, connection).await?;
        let all = query_of_span!("queries/totals.sql", span).fetch_one(&mut *connection).await?;
        let users = known.sets.users(&span, View::Whole, connection).await?;
        let users_of_all = users.of(None);
        let sessions = sessions::count(question, known, connection).await?;
        let pending = match (users.pending, sessions.as_ref().and_then(|(_, pending)| pending.as_ref())) {
            (Some(users), Some(sessions)) => Some(users.and(sessions)),
            (users, sessions) => users.or_else(|| sessions.cloned()),
        };
        Ok(Self {
            events: Events {
                banner_show: all.banner_show,
                banner_click: all.banner_click,
                page_view: all.page_view,
                product_view: all.product_view,
                cart: all.cart,
                cart_remove: all.cart_remove,
                order: all.order,
            },
            amount: all.amount,
            users: users_of_all,
            sessions: sessions.map(|(sessions, _)| sessions),
            first: all.first.map(rfc3339),
            last: all.last.map(rfc3339),
            pending: pending.map_or(Lag::Not(false), Lag::Range),
        })
    }
}

impl Totals {
    /// What it tells about orders.
    pub(crate) fn orders(self) -> Orders {
        Orders { value: None, orders: self.events.order, users: self.users, amount: self.amount }
    }
}

/// The shop's calendar, and how its day goes so far.
pub(crate) struct Shop {
    pub(crate) tz: String,
    pub(crate) now: DateTime<Utc>,
    pub(crate) today: NaiveDate,
    pub(crate) tomorrow_starts_at: DateTime<Utc>,
    pub(crate) orders_today: i64,
    pub(crate) has_events: bool,
}

impl Shop {
    /// Asks PostgreSQL, for its clock and its zones are the ones that count.
    pub(crate) async fn now(connection: impl PgExecutor<'_>) -> Result<Self, Problem> {
        Ok(sqlx::query_file_as!(Shop, "queries/shop.sql").fetch_one(connection).await?)
    }
}

/// Microseconds, as the events have them.
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
