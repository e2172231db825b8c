//! The hours of the week.

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use serde::Serialize;
use sqlx::types::Json;

use crate::Analytics;
use crate::figures::Amount;
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Span, View, query_of_span};

#[derive(Serialize)]
struct Heatmap {
    tz: String,
    rows: Vec<Hour>,
}

/// Events and revenue of an hour of the zone's week.
#[derive(Serialize)]
struct Hour {
    /// From Monday, 1, to Sunday, 7.
    weekday: i32,
    hour: i32,
    banner_show: i64,
    banner_click: i64,
    page_view: i64,
    product_view: i64,
    cart: i64,
    cart_remove: i64,
    order: i64,
    amount: Json<Amount>,
}

/// `GET /api/heatmap`: the hours of the week of the zone in which anything happened, all weeks of the range together.
pub(crate) async fn heatmap(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &[])?;
    let asking = async {
        let mut connection = analytics.pool.acquire().await?;
        let span = Span::of(&question, View::Whole, &analytics.known.zones, &mut connection).await?;
        let rows = query_of_span!(Hour, "queries/heatmap.sql", span).fetch_all(&mut *connection).await?;
        Ok(Heatmap { tz: span.tz, rows })
    };
    Ok(Answer(in_time(asking).await?))
}
