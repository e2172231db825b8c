//! Who comes: users and their events by what is known of the users, which only `user_update`s tell.

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use serde::Serialize;

use crate::Analytics;
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Span, View, query_of_span};

/// What the view `users` knows of users and this counts by.
pub(crate) const TOLD: &[&str] = &["region", "gender", "age_group", "membership_level"];

#[derive(Serialize)]
struct Audience {
    rows: Vec<Group>,
}

/// Users of the range of whom the same is known, and their events in it. Each user is in one group at the most.
#[derive(Serialize)]
struct Group {
    value: String,
    users: i64,
    events: i64,
}

/// `GET /api/audience`: the groups with the most users first, without users of whom nothing is known.
pub(crate) async fn audience(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["by", "limit"])?;
    let by = question.by_one_of(TOLD)?;
    let limit = question.limit(100, 10_000)?;
    let asking = async {
        let connection = &mut *analytics.pool.acquire().await?;
        let span = Span::of(&question, View::Rows, &analytics.known.zones, connection).await?;
        let rows = query_of_span!(Group, "queries/audience.sql", span, by, limit).fetch_all(connection).await?;
        Ok(Audience { rows })
    };
    Ok(Answer(in_time(asking).await?))
}
