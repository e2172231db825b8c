//! The funnel: events and distinct users of each stage on the way to an order.

use std::collections::{BTreeMap, HashMap};

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use roaring::RoaringBitmap;
use serde::Serialize;
use sqlx::postgres::PgConnection;

use crate::Analytics;
use crate::figures::{Known, Lag};
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Source, Span, View, query_of_span};
use crate::users::Pending;

/// Names of the stages that the SQL function `funnel_stage` numbers from 1.
const STAGES: [&str; 4] = ["view", "click", "cart", "order"];

#[derive(Serialize)]
pub(crate) struct Funnel {
    rows: Vec<Row>,
    pending: Lag,
}

#[derive(Serialize)]
struct Row {
    /// Of the dimension, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    stage: &'static str,
    events: i64,
    users: i64,
    /// Those of the users who came to no later stage.
    left: i64,
    /// Events divided by those of the nearest stage before that has any.
    rate: Option<f64>,
}

#[derive(Clone, Copy, Default)]
struct Stage {
    events: i64,
    users: i64,
    left: i64,
}

/// The stages of each value of the dimension, of all events under `None`.
type Stages = HashMap<Option<String>, [Stage; 4]>;

/// `GET /api/funnel`: the stages in their order; by a dimension those of the values with the most events first, without
/// events that have no value.
pub(crate) async fn funnel(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["by", "limit"])?;
    let by = question.own("by").map(|_| question.by()).transpose()?;
    let limit = question.limit(20, 1_000)?;
    let asking = async {
        Funnel::of(&question, by, limit as usize, &analytics.known, &mut *analytics.pool.acquire().await?).await
    };
    Ok(Answer(in_time(asking).await?))
}

impl Funnel {
    async fn of(
        question: &Question,
        by: Option<&'static str>,
        limit: usize,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let view = by.map_or(View::Whole, View::By);
        let span = Span::of(question, view, &known.zones, connection).await?;
        let kept = match span.source {
            Source::Days | Source::Quarters => kept(&span, by, known, connection).await?,
            Source::Rows | Source::DatedRows => None,
        };
        let (mut stages, pending) = match kept {
            Some(kept) => kept,
            None => (rows(&span, by, connection).await?, None),
        };
        match by {
            None => {
                stages.entry(None).or_default();
            }
            Some(_) => {
                stages.remove(&None);
            }
        }
        let mut values: Vec<(Option<String>, [Stage; 4])> = stages.into_iter().collect();
        values.sort_by_cached_key(|(value, stages)| {
            (std::cmp::Reverse(stages.iter().map(|stage| stage.events).sum::<i64>()), value.clone())
        });
        values.truncate(limit);
        let rows = values.into_iter().flat_map(|(value, stages)| rows_of(value, stages)).collect();
        Ok(Self { rows, pending: pending.map_or(Lag::Not(false), Lag::Range) })
    }
}

fn rows_of(value: Option<String>, stages: [Stage; 4]) -> impl Iterator<Item = Row> {
    let mut before = 0;
    STAGES.into_iter().zip(stages).map(move |(name, stage)| {
        let rate = (before > 0).then(|| stage.events as f64 / before as f64);
        if stage.events > 0 {
            before = stage.events;
        }
        Row { value: value.clone(), stage: name, events: stage.events, users: stage.users, left: stage.left, rate }
    })
}

/// From the kept counts and sets; none where the range holds a part of a day, whose sets are kept whole only.
async fn kept(
    span: &Span,
    by: Option<&str>,
    known: &Known,
    connection: &mut PgConnection,
) -> Result<Option<(Stages, Option<Pending>)>, Problem> {
    // what is pending first, as in users.rs
    let cells = sqlx::query_file!("queries/picked_cells.sql", span.filters, by, span.starting, span.ending)
        .fetch_all(&mut *connection)
        .await?;
    let from = cells.iter().filter_map(|cell| cell.pending_from).min();
    let to = cells.iter().filter_map(|cell| cell.pending_to).max();
    let keyed = cells.into_iter().filter_map(|cell| Some((cell.cell_id, (cell.value, cell.stage?))));
    let Some(unions) = known.sets.unions(span, keyed, connection).await? else { return Ok(None) };
    let counted = sqlx::query_file!(
        "queries/funnel/kept.sql",
        span.source.as_str(),
        by,
        span.starting,
        span.ending,
        span.from_day,
        span.to_day,
        span.filters,
    )
    .fetch_all(connection)
    .await?;
    let mut stages = Stages::new();
    for row in counted {
        stages.entry(row.value).or_default()[row.stage as usize - 1].events = row.events;
    }
    let mut sets: HashMap<Option<String>, BTreeMap<i32, RoaringBitmap>> = HashMap::new();
    for ((value, stage), users) in unions {
        sets.entry(value).or_default().insert(stage, users);
    }
    for (value, sets) in sets {
        let Some(stages) = stages.get_mut(&value) else { continue };
        let mut later = RoaringBitmap::new();
        for (stage, users) in sets.into_iter().rev() {
            let counted = &mut stages[stage as usize - 1];
            counted.users = users.len() as i64;
            counted.left = (&users - &later).len() as i64;
            later |= users;
        }
    }
    Ok(Some((stages, from.zip(to).map(|(from, to)| Pending::new(from, to)))))
}

async fn rows(span: &Span, by: Option<&str>, connection: &mut PgConnection) -> Result<Stages, Problem> {
    let rows = query_of_span!("queries/funnel/rows.sql", span, by).fetch_all(connection).await?;
    let mut stages = Stages::new();
    for row in rows {
        stages.entry(row.value).or_default()[row.stage as usize - 1] =
            Stage { events: row.events, users: row.users, left: row.left };
    }
    Ok(stages)
}
