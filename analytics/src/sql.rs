//! Show the SQL: the plain query on the rows behind each figure of the page. It can be read, pasted into psql, and run
//! here, so that the recount stands beside the kept figure.
//!
//! Only the queries in `sql/page/` are run. What a request says goes into them as literals, quoted by PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Data, Json as Answer, Path};
use actix_web::{HttpRequest, Responder};
use anyhow::Context;
use chrono::SecondsFormat;
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, Executor, PgPool, Row, SqlSafeStr, Statement, ValueRef};
use tokio::sync::Semaphore;

use crate::Analytics;
use crate::audience::TOLD;
use crate::figures::Known;
use crate::problem::{Problem, in_time, quoted};
use crate::question::{DIMENSIONS, Question};
use crate::span::{Source, Span, View};

/// How long a query may run here; in psql it may take its time. The eight million of the public data set take half of it at most, their sessions and devices two thirds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Rows that are answered at the most.
const MOST_ROWS: usize = 1_000;

/// Recounts that run at a time: each of them may keep several processes of PostgreSQL busy.
const AT_A_TIME: usize = 2;

/// The parameters that figures have besides range, zone and filters.
const OWN: &[&str] = &["by", "limit", "kind", "size", "advance", "gap", "group_by"];

/// Figures of the page and their queries; those of windows follow from their kind.
const QUERIES: &[(&str, &str)] = &[
    ("today", include_str!("../../sql/page/today.sql")),
    ("totals", include_str!("../../sql/page/totals.sql")),
    ("daily", include_str!("../../sql/page/daily.sql")),
    ("orders", include_str!("../../sql/page/orders.sql")),
    ("breakdown", include_str!("../../sql/page/breakdown.sql")),
    ("sales", include_str!("../../sql/page/sales.sql")),
    ("audience", include_str!("../../sql/page/audience.sql")),
    ("places", include_str!("../../sql/page/places.sql")),
    ("devices", include_str!("../../sql/page/devices.sql")),
    ("funnel", include_str!("../../sql/page/funnel.sql")),
    ("heatmap", include_str!("../../sql/page/heatmap.sql")),
    ("funnel_by", include_str!("../../sql/page/funnel_by.sql")),
    ("latest", include_str!("../../sql/page/latest.sql")),
    ("sessions", include_str!("../../sql/page/sessions.sql")),
    ("imports", include_str!("../../sql/page/imports.sql")),
    ("rejected", include_str!("../../sql/page/rejected.sql")),
    ("messages", include_str!("../../sql/page/messages.sql")),
    ("pending", include_str!("../../sql/page/pending.sql")),
    ("latency", include_str!("../../sql/page/latency.sql")),
    ("stored", include_str!("../../sql/page/stored.sql")),
];
const KINDS: &[(&str, &str)] = &[
    ("tumbling", include_str!("../../sql/page/tumbling.sql")),
    ("hopping", include_str!("../../sql/page/hopping.sql")),
    ("session", include_str!("../../sql/page/session.sql")),
];

/// Whoever wants to recount takes one of these.
pub(crate) struct Recounts(Arc<Semaphore>);

impl Default for Recounts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

#[derive(Serialize)]
struct Shown {
    name: String,
    sql: String,
    timeout_seconds: u64,
}

/// What a query answered, every value as psql writes it.
#[derive(Serialize)]
struct Recount {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    elapsed_ms: u128,
    /// Whether there are more rows than these.
    more: bool,
}

/// A query with the parameters of a question written in.
struct Plain {
    sql: String,
    tz: String,
}

/// `GET /api/sql/{name}`: the query of a figure, which takes the parameters that the figure takes.
pub(crate) async fn show(
    analytics: Data<Analytics>,
    name: Path<String>,
    request: HttpRequest,
) -> Result<impl Responder, Problem> {
    let asking = async { Plain::of(&name, &request, &analytics.known, &mut *analytics.pool.acquire().await?).await };
    let sql = in_time(asking).await?.sql;
    Ok(Answer(Shown { name: name.into_inner(), sql, timeout_seconds: TIMEOUT.as_secs() }))
}

/// `GET /api/sql/{name}/run`: what it answers, at most its first 1,000 rows.
pub(crate) async fn run(
    analytics: Data<Analytics>,
    name: Path<String>,
    request: HttpRequest,
) -> Result<impl Responder, Problem> {
    let asking = async { Plain::of(&name, &request, &analytics.known, &mut *analytics.pool.acquire().await?).await };
    let plain = in_time(asking).await?;
    let Ok(permit) = analytics.recounts.0.clone().try_acquire_owned() else {
        return Err(Problem::Recounting(AT_A_TIME));
    };
    let pool = analytics.pool.clone();
    // PostgreSQL goes on counting when the client has gone, so the permit is kept as long
    let recounting = tokio::spawn(async move {
        let recount = in_time(plain.recount(&pool)).await;
        drop(permit);
        recount
    });
    Ok(Answer(recounting.await.context("recount").map_err(Problem::Internal)??))
}

impl Plain {
    async fn of(
        name: &str,
        request: &HttpRequest,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let question = Question::read(request.query_string(), OWN)?;
        let query = query(name, &question)?;
        let span = Span::of(&question, View::Rows, &known.zones, connection).await?;
        if span.source == Source::DatedRows {
            return Err(Problem::Parameter(format!(
                "a date of this range comes twice in {}, so that its days are no ranges of time: give from and to as \
                 times, such as 2010-11-06T00:00:00-02:30",
                span.tz
            )));
        }

        let parts: Vec<_> = query.split(":'").collect();
        let mut values = Vec::new();
        let mut texts = vec![parts[0]];
        for part in &parts[1..] {
            let (parameter, text) =
                part.split_once('\'').context("a parameter has no end").map_err(Problem::Internal)?;
            values.push(match (parameter, question.own("gap")) {
                ("gap", None) => shop_gap(&span, connection).await?,
                _ => value(parameter, name, &question, &span)?,
            });
            texts.push(text);
        }
        let literals = sqlx::query_file_scalar!("queries/literals.sql", &values).fetch_all(connection).await?;
        let mut sql = String::from(texts[0]);
        for (literal, text) in literals.iter().zip(&texts[1..]) {
            sql.push_str(literal);
            sql.push_str(text);
        }
        Ok(Self { sql, tz: span.tz })
    }

    async fn recount(self, pool: &PgPool) -> Result<Recount, Problem> {
        let mut transaction = pool.begin_with("begin read only").await?;
        sqlx::query_file!("queries/recounting.sql", format!("{}ms", TIMEOUT.as_millis()), self.tz)
            .fetch_one(&mut *transaction)
            .await?;
        let limited = format!(
            "select * from (\n{}\n) as recount limit {}",
            self.sql.trim_end().trim_end_matches(';'),
            MOST_ROWS + 1
        );
        let start = Instant::now();
        // it is prepared for the names of its columns; that it is prepared also shows that it is one statement
        let statement = transaction.prepare(AssertSqlSafe(limited.clone()).into_sql_str()).await.map_err(in_psql)?;
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let mut rows = sqlx::raw_sql(AssertSqlSafe(limited)).fetch_all(&mut *transaction).await.map_err(in_psql)?;
        let elapsed_ms = start.elapsed().as_millis();
        transaction.rollback().await?;
        let more = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        let rows = rows.iter().map(texts).collect::<Result<_, _>>()?;
        Ok(Recount { columns, rows, elapsed_ms, more })
    }
}

fn in_psql(error: sqlx::Error) -> Problem {
    match Problem::from(error) {
        Problem::Slow => Problem::SlowRecount(TIMEOUT),
        other => other,
    }
}

/// The values of a row as text, as they come when a query is not prepared.
fn texts(row: &PgRow) -> Result<Vec<Option<String>>, Problem> {
    let text = |i| -> anyhow::Result<Option<String>> {
        let value = row.try_get_raw(i)?;
        if value.is_null() {
            return Ok(None);
        }
        Ok(Some(value.as_str().map_err(anyhow::Error::from_boxed)?.to_owned()))
    };
    (0..row.len()).map(text).collect::<Result<_, _>>().map_err(Problem::Internal)
}

/// The query of a figure. A parameter that is no parameter of it is refused, for the recount would be one of
/// something else.
fn query(name: &str, question: &Question) -> Result<&'static str, Problem> {
    let query = if name == "windows" {
        let kinds = "tumbling, hopping and session";
        let kind = required("kind", question, kinds)?;
        find(KINDS, kind).ok_or_else(|| Problem::parameter("kind", kind, format_args!("is none of {kinds}")))?
    } else if let Some(query) = find(QUERIES, name) {
        query
    } else {
        let known: Vec<_> = QUERIES.iter().map(|(name, _)| *name).chain(["windows"]).collect();
        let name = quoted(name);
        return Err(Problem::NotFound(format!("there is no query {name}; there are {}", known.join(", "))));
    };

    let takes = |parameter: &str| {
        query.contains(&format!(":'{parameter}'"))
            || (name == "windows" && parameter == "kind")
            // sessions are always by user
            || (query.contains("sessions(") && parameter == "group_by" && question.own("group_by") == Some("user_id"))
    };
    let refused = |parameter: &str, value: &str| {
        Problem::parameter(
            parameter,
            value,
            format_args!("is of no use: the query of this figure takes no {parameter}"),
        )
    };
    if let Some((parameter, value)) =
        OWN.iter().filter_map(|name| question.own(name).map(|value| (name, value))).find(|(name, _)| !takes(name))
    {
        return Err(refused(parameter, value));
    }
    for (parameter, bound) in [("from", question.from), ("to", question.to)] {
        if let Some(bound) = bound
            && !takes(parameter)
        {
            return Err(refused(parameter, &bound.to_string()));
        }
    }
    Ok(query)
}

fn find(queries: &'static [(&str, &str)], name: &str) -> Option<&'static str> {
    queries.iter().find(|(known, _)| *known == name).map(|(_, query)| *query)
}

/// The value of a query's parameter.
fn value(parameter: &str, name: &str, question: &Question, span: &Span) -> Result<String, Problem> {
    let size = || width("size", required("size", question, "such as 1h or 7d")?);
    let advance = || width("advance", required("advance", question, "such as 30m or 1d")?);
    Ok(match parameter {
        "tz" => span.tz.clone(),
        "from" => span.starting.map_or("-infinity".into(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        "to" => span.ending.map_or("infinity".into(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        "filters" => span.filters.to_string(),
        // all together, as there is no such dimension
        "by" if name == "sales" && question.own("by").is_none() => "none".into(),
        "by" if name == "audience" => question.by_one_of(TOLD)?.into(),
        "by" => question.by()?.into(),
        "limit" => match name {
            "latest" => question.limit(50, 1_000)?,
            "places" => question.limit(500, 10_000)?,
            "windows" => question.limit(1_000, 50_000)?,
            _ => question.limit(100, 10_000)?,
        }
        .to_string(),
        "group_by" => match question.own("group_by").unwrap_or("none") {
            "none" => "none".into(),
            text if DIMENSIONS.contains(&text) => text.into(),
            text => {
                return Err(Problem::parameter(
                    "group_by",
                    text,
                    format_args!("is none of none, {}", DIMENSIONS.join(", ")),
                ));
            }
        },
        "size" => size()?.interval,
        "advance" => {
            let (size, advance) = (size()?, advance()?);
            if advance.base != size.base || advance.length > size.length {
                let text = question.own("advance").unwrap_or_default();
                let why =
                    "is longer than size or not counted in the same: hours with hours (24h for 1d), days with days";
                return Err(Problem::parameter("advance", text, why));
            }
            advance.interval
        }
        // windows lie on the grid of their advance; weeks are counted from a Monday
        "origin" => {
            let grid = if question.own("advance").is_some() { advance()? } else { size()? };
            if grid.weeks { "1970-01-05" } else { "1970-01-01" }.into()
        }
        "gap" => {
            let text = required("gap", question, "such as 10m or 24h")?;
            let gap = width("gap", text)?;
            if gap.base != Base::Seconds {
                return Err(Problem::parameter("gap", text, "is not in hours, minutes or seconds, such as 24h or 10m"));
            }
            gap.interval
        }
        _ => {
            return Err(Problem::Internal(anyhow::anyhow!("sql/page has a parameter {parameter:?} that nothing sets")));
        }
    })
}

/// The pause that a session has at the most where a question names none.
async fn shop_gap(span: &Span, connection: &mut PgConnection) -> Result<String, Problem> {
    let state = sqlx::query_file!("queries/sessions/state.sql", span.starting).fetch_one(connection).await?;
    Ok(match state.gap % 1_000_000 {
        0 => format!("{} seconds", state.gap / 1_000_000),
        _ => format!("{} microseconds", state.gap),
    })
}

fn required<'a>(name: &str, question: &'a Question, are: &str) -> Result<&'a str, Problem> {
    question.own(name).ok_or_else(|| Problem::Parameter(format!("parameter {name:?} is missing; there are {are}")))
}

/// What windows of a size are counted in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Base {
    Seconds,
    Days,
    Months,
}

/// The width of a window, as PostgreSQL takes it.
#[derive(Debug, PartialEq)]
struct Width {
    interval: String,
    base: Base,
    length: u32,
    weeks: bool,
}

fn width(name: &str, text: &str) -> Result<Width, Problem> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (word, base, each, most) = match &text[digits..] {
        "s" => ("second", Base::Seconds, 1, 366 * 86_400),
        "m" => ("minute", Base::Seconds, 60, 366 * 86_400),
        "h" => ("hour", Base::Seconds, 3_600, 366 * 86_400),
        "d" => ("day", Base::Days, 1, 366),
        "w" => ("week", Base::Days, 7, 366),
        "mo" => ("month", Base::Months, 1, 12),
        _ => return Err(Problem::parameter(name, text, "is no length of time, such as 30s, 10m, 1h, 7d, 2w or 3mo")),
    };
    let count: Option<u32> = text[..digits].parse().ok();
    match count.and_then(|count| Some((count, count.checked_mul(each)?))) {
        Some((count, length)) if (1..=most).contains(&length) => {
            let interval = format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            Ok(Width { interval, base, length, weeks: word == "week" })
        }
        _ => Err(Problem::parameter(name, text, "is not from 1s to 366d")),
    }
}
