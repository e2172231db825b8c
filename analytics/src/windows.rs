//! `GET /api/windows`: what happened in windows of time. It is counted of segments, by the cheapest way that
//! gives it exactly, and summed up while sliding over these.

mod grid;
mod slide;

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;

use crate::figures::{Known, Lag, rfc3339};
use crate::problem::{Problem, in_time};
use crate::question::{DIMENSIONS, Question, is_kept};
use crate::span::{Source, Span, View};
use crate::{Analytics, sessions};

use grid::{Edge, Grid, Length};
use slide::{Counted, Group, MOST_PIECES, Piece, Place, Slide, TooMuch};

const MOST_ROWS: i64 = 50_000;

/// So many segments are told to PostgreSQL at a time at the most.
const MOST_SEGMENTS: i64 = 100_000;

/// What is kept that windows can be counted from, some segments at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// Counts of quarters of an hour.
    Quarters,
    /// The events in columns.
    Visits,
}

/// The parameters of `/api/windows` besides the common ones.
pub(crate) const PARAMETERS: &[&str] = &["kind", "size", "advance", "gap", "group_by", "limit", "cursor"];

/// What `/api/windows` asks for besides the events.
#[derive(Debug)]
pub(crate) enum Kind {
    Windows(Windows),
    /// Whatever pauses no longer; none for the shop's gap.
    Sessions {
        gap: Option<TimeDelta>,
        limit: usize,
    },
}

/// Some rows of windows.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
    /// Whether what is kept lags; not of windows that are never late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Lag>,
}

/// What one group did in a window.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) window_start: String,
    pub(crate) window_end: String,
    pub(crate) group: Option<String>,
    pub(crate) events: i64,
    pub(crate) orders: i64,
    pub(crate) amount: BTreeMap<String, String>,
}

/// Windows of one size and one advance.
#[derive(Debug)]
pub(crate) struct Windows {
    size: Length,
    advance: Length,
    by: Option<&'static str>,
    limit: usize,
    cursor: Option<Cursor>,
}

/// The last window of the page before, by its [`key`](Grid::key), and its group.
#[derive(Debug)]
struct Cursor {
    text: String,
    key: i64,
    group: Group,
}

/// From when to when there may be events.
struct Extent {
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    first_day: NaiveDate,
    last_day: NaiveDate,
}

/// A row of the queries that count segments.
struct Found {
    segment: i64,
    group: Option<String>,
    currency: Option<String>,
    events: i64,
    orders: i64,
    amount: Option<String>,
}

/// `GET /api/windows`: a page of windows with events, by their starts, then their groups.
pub(crate) async fn windows(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), PARAMETERS)?;
    let kind = Kind::read(&question)?;
    let asking = async { kind.page(&question, &analytics.known, &mut *analytics.snapshot().await?).await };
    Ok(Answer(in_time(asking).await?))
}

impl Kind {
    pub(crate) fn read(question: &Question) -> Result<Self, Problem> {
        let unused = |name: &'static str, remedy: &str| match question.own(name) {
            Some(value) => Err(Problem::parameter(name, value, remedy)),
            None => Ok(()),
        };
        match question.own("kind") {
            None => {
                Err(Problem::Parameter(r#"parameter "kind" is missing; it is tumbling, hopping or session"#.into()))
            }
            Some("tumbling") => {
                unused("advance", "is for kind=hopping; tumbling windows advance by their size")?;
                unused("gap", "is for kind=session; tumbling windows have a size")?;
                let size = length("size", question)?;
                Ok(Self::Windows(Windows::read(question, size, size)?))
            }
            Some("hopping") => {
                unused("gap", "is for kind=session; hopping windows have a size and an advance")?;
                let (size, advance) = (length("size", question)?, length("advance", question)?);
                let (size_text, advance_text) =
                    (question.own("size").unwrap_or(""), question.own("advance").unwrap_or(""));
                if size.seconds().is_some() != advance.seconds().is_some() {
                    return Err(Problem::Parameter(format!(
                        "size \"{size_text}\" and advance \"{advance_text}\" are of the clock (s, m, h) and of the calendar \
                         (d, w, mo), whose days vary in length: use one of the two for both, such as 24h instead of 1d"
                    )));
                }
                if !size.reaches(advance) {
                    let why = format_args!(
                        "is longer than size \"{size_text}\" or may be, and events would be in no window: use an \
                         advance that is at most the size"
                    );
                    return Err(Problem::parameter("advance", advance_text, why));
                }
                Ok(Self::Windows(Windows::read(question, size, advance)?))
            }
            Some("session") => {
                unused("size", "is for kind=tumbling and kind=hopping; sessions have a gap")?;
                unused("advance", "is for kind=hopping; sessions have a gap")?;
                if let Some(by) = question.own("group_by").filter(|by| !["none", "user_id"].contains(by)) {
                    return Err(Problem::parameter(
                        "group_by",
                        by,
                        "is not for sessions, which are always of a user_id",
                    ));
                }
                Ok(Self::Sessions { gap: gap(question)?, limit: limit(question)? })
            }
            Some(other) => Err(Problem::parameter("kind", other, "is none of tumbling, hopping, session")),
        }
    }

    /// Must be asked within one snapshot, which takes several statements.
    pub(crate) async fn page(
        &self,
        question: &Question,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Page, Problem> {
        match self {
            Self::Windows(windows) => windows.page(question, known, connection).await,
            Self::Sessions { gap, limit } => sessions::windows(question, *gap, *limit, known, connection).await,
        }
    }
}

fn limit(question: &Question) -> Result<usize, Problem> {
    Ok(question.limit(1_000, MOST_ROWS)? as usize)
}

/// The gap that ends a session; none for the shop's.
pub(crate) fn gap(question: &Question) -> Result<Option<TimeDelta>, Problem> {
    let Some(text) = question.own("gap") else { return Ok(None) };
    let seconds = length("gap", question)?.seconds();
    let gap = seconds.ok_or_else(|| {
        Problem::parameter("gap", text, "is of the calendar, whose days vary in length: use hours, such as 24h")
    })?;
    Ok(Some(TimeDelta::seconds(gap)))
}

fn length(name: &'static str, question: &Question) -> Result<Length, Problem> {
    let what = "a number and one of s, m, h, d, w and mo, from 1s to 366d, such as 15m, 1h, 7d or 3mo";
    match question.own(name) {
        None => Err(Problem::Parameter(format!("parameter {name:?} is missing; it is {what}"))),
        Some(text) => Length::read(text).ok_or_else(|| Problem::parameter(name, text, format_args!("is not {what}"))),
    }
}

impl Cursor {
    fn read(text: &str, advance: Length) -> Result<Self, Problem> {
        let forged =
            || Problem::parameter("cursor", text, r#"is not a "next" of an answer to this question; leave it out"#);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| forged())?;
        let (key, group): (i64, Option<String>) = serde_json::from_slice(&bytes).map_err(|_| forged())?;
        if !grid::is_start(advance, key) {
            return Err(forged());
        }
        Ok(Self { text: text.to_owned(), key, group: Group::new(group.as_deref()) })
    }

    fn write(key: i64, group: &Group) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!([key, group.value()]).to_string())
    }
}

impl Windows {
    fn read(question: &Question, size: Length, advance: Length) -> Result<Self, Problem> {
        let by = match question.own("group_by") {
            None | Some("none") => None,
            Some(text) => Some(*DIMENSIONS.iter().find(|dimension| **dimension == text).ok_or_else(|| {
                Problem::parameter("group_by", text, format_args!("is none of none, {}", DIMENSIONS.join(", ")))
            })?),
        };
        let limit = limit(question)?;
        let cursor = question.own("cursor").map(|text| Cursor::read(text, advance)).transpose()?;
        Ok(Self { size, advance, by, limit, cursor })
    }

    async fn page(&self, question: &Question, known: &Known, connection: &mut PgConnection) -> Result<Page, Problem> {
        let view = View::Windows { by: self.by, dated: self.size.seconds().is_none() };
        let mut span = Span::of(question, view, &known.zones, connection).await?;
        let after = match &self.cursor {
            None => None,
            Some(cursor) => {
                Some(Place(self.start_of(cursor, &span, connection).await?, cursor.group.clone(), cursor.key))
            }
        };
        if let Some(Place(start, ..)) = after {
            // the windows before are on the pages before; a date that comes twice begins with its first instant
            let start = if self.advance.seconds().is_some() { start } else { start - TimeDelta::days(1) };
            span.starting = Some(span.starting.map_or(start, |starting| starting.max(start)));
        }
        let Some(grid) = self.grid(&span, connection).await? else {
            return Ok(Page { rows: Vec::new(), next: None, pending: None });
        };
        let mut slide = Slide::new(&grid, after, self.limit + 1);
        let is_kept_with_users = |dimension: &str| is_kept(dimension) || dimension == "user_id";
        if matches!(span.source, Source::Days | Source::Quarters) && grid.is_of_quarters() {
            self.slide_over_kept(Kept::Quarters, &grid, &span, &mut slide, connection).await?;
        } else if span.kept
            && span.steady
            && question.filters.keys().all(|dimension| is_kept_with_users(dimension))
            && self.by.is_none_or(is_kept_with_users)
        {
            self.slide_over_kept(Kept::Visits, &grid, &span, &mut slide, connection).await?;
        } else {
            self.slide_over_rows(&grid, &span, &mut slide, connection).await?;
        }
        let mut rows = slide.finish();
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor::write(grid.key(row.window), &row.group));
        Ok(Page { rows: rows.into_iter().map(Row::from).collect(), next, pending: None })
    }

    /// When the window of a cursor starts.
    async fn start_of(
        &self,
        cursor: &Cursor,
        span: &Span,
        connection: &mut PgConnection,
    ) -> Result<DateTime<Utc>, Problem> {
        let start = if self.advance.seconds().is_some() {
            DateTime::from_timestamp(cursor.key, 0)
        } else {
            match grid::date_of(cursor.key).filter(in_reach) {
                Some(date) => edges(&[date], span, connection).await?.first().map(|edge| edge.instant),
                None => None,
            }
        };
        start.filter(|start| in_reach(&start.date_naive())).ok_or_else(|| {
            Problem::parameter("cursor", &cursor.text, r#"is not a "next" of any answer, its window is out of reach"#)
        })
    }

    /// None where there are no events.
    async fn grid(&self, span: &Span, connection: &mut PgConnection) -> Result<Option<Grid>, Problem> {
        if let Some((size, advance)) = self.size.seconds().zip(self.advance.seconds()) {
            return Ok(Some(Grid::clock(size, advance)));
        }
        let Some(extent) = Extent::of(span, span.starting, connection).await? else { return Ok(None) };
        // where a clock was set back over midnight, the date before comes once more
        let (first, last) = (extent.first_day - Days::new(1), extent.last_day + Days::new(1));
        let windows = grid::dates(self.size, self.advance, first, last);
        let dates: BTreeSet<NaiveDate> = windows.iter().flat_map(|&(first, end)| [first, end]).collect();
        let dates: Vec<NaiveDate> = dates.into_iter().collect();
        Ok(Some(Grid::calendar(&windows, edges(&dates, span, connection).await?)))
    }

    /// Reads some segments, then more and so on, until the page is full.
    async fn slide_over_kept(
        &self,
        kept: Kept,
        grid: &Grid,
        span: &Span,
        slide: &mut Slide<'_>,
        connection: &mut PgConnection,
    ) -> Result<(), Problem> {
        let mut at_once = match kept {
            Kept::Quarters => (self.limit as i64 / 8).max(1),
            // what few users did is found among all events as fast as among some
            Kept::Visits if span.filters.get("user_id").is_some() => i64::MAX,
            Kept::Visits => grid.segments_an_hour(),
        };
        let mut starting = span.starting;
        while !slide.is_full()
            && let Some(extent) = Extent::of(span, starting, connection).await?
        {
            let first = grid.segment(extent.first_at);
            let last = grid.segment(extent.last_at);
            let until = last.min(first.saturating_add(at_once - 1)) + 1;
            let Some((starts, ends)) = grid.instant(first).zip(grid.instant(until)) else { break };
            let pieces = match kept {
                Kept::Quarters => {
                    let instants = (first..=until).filter_map(|segment| grid.instant(segment));
                    let quarters: Vec<i32> =
                        instants.map(|instant| clamped(instant, span).timestamp().div_euclid(900) as i32).collect();
                    let found =
                        sqlx::query_file_as!(Found, "queries/windows/quarters.sql", &quarters, span.filters, self.by)
                            .fetch(&mut *connection);
                    self.pour(found, first, slide).await?
                }
                Kept::Visits => {
                    let (seconds, instants, first) = match grid {
                        Grid::Clock { segment, .. } => (Some(*segment), Vec::new(), 0),
                        Grid::Calendar { .. } => {
                            (None, (first..=until).filter_map(|segment| grid.instant(segment)).collect(), first)
                        }
                    };
                    let found = sqlx::query_file_as!(
                        Found,
                        "queries/windows/visits.sql",
                        seconds,
                        &instants,
                        clamped(starts, span),
                        clamped(ends, span),
                        span.filters,
                        self.by,
                    )
                    .fetch(&mut *connection);
                    self.pour(found, first, slide).await?
                }
            };
            slide.reach(until);
            if until > last {
                break;
            }
            starting = Some(ends);
            // as many as the page seems to take
            if pieces < self.limit || slide.is_empty() {
                at_once = at_once.saturating_mul((self.limit / pieces.max(1)).clamp(1, 7) as i64 + 1);
            }
            if kept == Kept::Quarters {
                at_once = at_once.min(MOST_SEGMENTS);
            }
        }
        Ok(())
    }

    async fn slide_over_rows(
        &self,
        grid: &Grid,
        span: &Span,
        slide: &mut Slide<'_>,
        connection: &mut PgConnection,
    ) -> Result<(), Problem> {
        let (seconds, dates) = match grid {
            Grid::Clock { segment, .. } => (Some(*segment), Vec::new()),
            Grid::Calendar { edges, .. } => (None, edges.iter().map(|edge| edge.date).collect()),
        };
        let source = if span.source == Source::DatedRows { Source::DatedRows } else { Source::Rows };
        let found = sqlx::query_file_as!(
            Found,
            "queries/windows/rows.sql",
            source.as_str(),
            span.tz,
            span.starting,
            span.ending,
            span.from_day,
            span.to_day,
            span.filters,
            self.by,
            seconds,
            &dates,
        )
        .fetch(connection);
        self.pour(found, 0, slide).await?;
        Ok(())
    }

    /// Takes pieces, whose segments are numbered from `first` on, until the page is full; says how many.
    async fn pour(
        &self,
        mut found: BoxStream<'_, sqlx::Result<Found>>,
        first: i64,
        slide: &mut Slide<'_>,
    ) -> Result<usize, Problem> {
        let mut pieces = 0;
        while !slide.is_full()
            && let Some(found) = found.try_next().await?
        {
            slide.take(found.piece(first)?).map_err(|TooMuch| {
                Problem::Parameter(format!(
                    "more than {MOST_PIECES} counts lie within one window: ask for a smaller size, a longer advance, a \
                     group_by with fewer values or more filters"
                ))
            })?;
            pieces += 1;
        }
        Ok(pieces)
    }
}

impl Extent {
    /// What is left of the range of `span` from `starting` on; none where there are no events.
    async fn of(
        span: &Span,
        starting: Option<DateTime<Utc>>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Option<Self>> {
        sqlx::query_file_as!(Self, "queries/windows/extent.sql", span.kept, span.tz, starting, span.ending)
            .fetch_optional(connection)
            .await
    }
}

impl Found {
    fn piece(self, first: i64) -> Result<Piece, Problem> {
        let revenue = match self.currency.zip(self.amount) {
            Some((currency, amount)) => {
                let sum: BigDecimal = amount.parse().context("read a sum of amounts").map_err(Problem::Internal)?;
                Some((currency, sum))
            }
            None => None,
        };
        let Self { segment, events, orders, .. } = self;
        Ok(Piece { segment: first + segment, group: Group::new(self.group.as_deref()), events, orders, revenue })
    }
}

impl From<Counted> for Row {
    fn from(counted: Counted) -> Self {
        Self {
            window_start: rfc3339(counted.start),
            window_end: rfc3339(counted.end),
            group: counted.group.value().map(str::to_owned),
            events: counted.events,
            orders: counted.orders,
            amount: counted.amount,
        }
    }
}

/// When dates, which are in their order, begin in the zone of `span`.
async fn edges(dates: &[NaiveDate], span: &Span, connection: &mut PgConnection) -> sqlx::Result<Vec<Edge>> {
    sqlx::query_file_as!(Edge, "queries/windows/edges.sql", dates, span.tz).fetch_all(connection).await
}

/// The time, or the end of the range that is next to it.
fn clamped(time: DateTime<Utc>, span: &Span) -> DateTime<Utc> {
    let time = span.starting.map_or(time, |starting| time.max(starting));
    span.ending.map_or(time, |ending| time.min(ending))
}

/// Whether an event may have happened then.
pub(crate) fn in_reach_of_time(time: DateTime<Utc>) -> bool {
    in_reach(&time.date_naive())
}

/// Whether a window with events may start on the date.
fn in_reach(date: &NaiveDate) -> bool {
    (1990..10_000).contains(&date.year())
}
