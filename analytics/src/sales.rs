//! What sells: orders with what they brought in and what became of them, by a dimension; and where they are from.

use std::collections::HashMap;

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use crate::Analytics;
use crate::figures::{Amount, Breakdown, Known, Totals};
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Span, View};

const ORDER: &str = "order";

#[derive(Serialize)]
struct Sales {
    rows: Vec<Sale>,
}

/// Orders of a value of a dimension. `orders` are all of them, `sold` those that brought something in.
#[derive(Debug, Default, Serialize)]
struct Sale {
    value: Option<String>,
    orders: i64,
    users: i64,
    sold: i64,
    failed: i64,
    /// Pieces sold; null where no order says how many.
    units: Option<i64>,
    amount: Json<Amount>,
    /// What the failed ones would have brought in.
    lost: Json<Amount>,
    average_order: Json<Amount>,
    /// Of a piece, over the orders that did not fail.
    average_price: Json<Amount>,
}

/// A row of `sales.sql`: of the orders with details.
struct Sold {
    value: Option<String>,
    sold: i64,
    failed: i64,
    units: Option<i64>,
    lost: Json<Amount>,
    average_order: Json<Amount>,
    average_price: Json<Amount>,
}

#[derive(Serialize)]
struct Places {
    rows: Vec<Place>,
}

/// Orders from a city, to a tenth of a degree; without coordinates where the orders have none.
#[derive(Serialize)]
struct Place {
    city: String,
    state: Option<String>,
    country: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    orders: i64,
    amount: Json<Amount>,
}

/// `GET /api/sales`: the orders, by the values of a dimension or all together; largest revenue first.
pub(crate) async fn sales(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["by", "limit"])?;
    let by = if question.own("by").is_some() { Some(question.by()?) } else { None };
    let limit = usize::try_from(question.limit(100, 10_000)?).unwrap_or(usize::MAX);
    let asking = async { Sales::of(question, by, limit, &analytics.known, &mut *analytics.snapshot().await?).await };
    Ok(Answer(in_time(asking).await?))
}

/// `GET /api/places`: where orders are from.
pub(crate) async fn places(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["limit"])?;
    let limit = question.limit(500, 10_000)?;
    let asking = async {
        let connection = &mut *analytics.pool.acquire().await?;
        let span = Span::of(&question, View::Rows, &analytics.known.zones, connection).await?;
        let [from_day, to_day] = span.dates();
        let rows = sqlx::query_file_as!(
            Place,
            "queries/places.sql",
            span.starting,
            span.ending,
            span.tz,
            from_day,
            to_day,
            span.filters,
            limit,
        )
        .fetch_all(connection)
        .await?;
        Ok(Places { rows })
    };
    Ok(Answer(in_time(asking).await?))
}

impl Sales {
    /// How many orders there are the kept counts tell, whatever else they are is counted from those with details.
    async fn of(
        mut question: Question,
        by: Option<&'static str>,
        limit: usize,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let types = question.filters.entry("event_type").or_default();
        if types.is_empty() || types.iter().any(|name| name == ORDER) {
            *types = vec![ORDER.into()];
        }
        let span = Span::of(&question, View::Rows, &known.zones, connection).await?;
        let [from_day, to_day] = span.dates();
        let sold = sqlx::query_file_as!(
            Sold,
            "queries/sales.sql",
            by.unwrap_or("none"),
            span.starting,
            span.ending,
            span.tz,
            from_day,
            to_day,
            span.filters,
        )
        .fetch_all(&mut *connection)
        .await?;

        let counted = match by {
            // the kept counts do not tell users apart, and there may be more of them than anyone asks for
            Some("user_id") => {
                let asked: Vec<String> = sold.iter().take(limit).filter_map(|row| row.value.clone()).collect();
                sqlx::query_file_as!(
                    Orders,
                    "queries/customers.sql",
                    span.starting,
                    span.ending,
                    span.tz,
                    from_day,
                    to_day,
                    span.filters,
                    &asked,
                    i64::try_from(limit).unwrap_or(i64::MAX),
                )
                .fetch_all(&mut *connection)
                .await?
            }
            Some(by) => Breakdown::of(&question, by, i64::MAX, known, connection).await?.orders(),
            None => vec![Totals::of(&question, known, connection).await?.orders()],
        };
        // the largest revenue first, then those without any as they come: most orders first
        let place: HashMap<_, _> = sold.iter().enumerate().map(|(i, row)| (row.value.clone(), i)).collect();
        let mut counted: Vec<_> =
            counted.into_iter().filter(|row| row.orders > 0).map(|row| (place.get(&row.value).copied(), row)).collect();
        counted.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
        let rows = counted.into_iter().take(limit).map(|(place, row)| Sale::of(row, place.map(|i| &sold[i])));
        Ok(Self { rows: rows.collect() })
    }
}

/// How many orders a value has, what they brought in, and of how many users they are.
pub(crate) struct Orders {
    pub(crate) value: Option<String>,
    pub(crate) orders: i64,
    pub(crate) users: i64,
    pub(crate) amount: Json<Amount>,
}

impl Sale {
    fn of(Orders { value, orders, users, amount }: Orders, sold: Option<&Sold>) -> Self {
        let plain = Self { value, orders, users, amount, ..Self::default() };
        let Some(sold) = sold else { return plain };
        Self {
            sold: sold.sold,
            failed: sold.failed,
            units: sold.units,
            lost: Json(sold.lost.0.clone()),
            average_order: Json(sold.average_order.0.clone()),
            average_price: Json(sold.average_price.0.clone()),
            ..plain
        }
    }
}
