//! Sessions of users: from those that are kept where they are cut by the gap that is asked for, and else
//! from the rows.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use actix_web::web::{Data, Json as Answer};
use actix_web::{HttpRequest, Responder};
use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use futures_util::TryStreamExt;
use roaring::{MultiOps, RoaringBitmap};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use crate::Analytics;
use crate::figures::{Amount, Known, Lag, rfc3339};
use crate::problem::{Problem, in_time};
use crate::question::Question;
use crate::span::{Source, Span, View};
use crate::users::Pending;
use crate::windows::{self, Page, Row};

/// Upper ends of the histogram's parts, in whole seconds.
const UP_TO_SECONDS: [i32; 16] =
    [0, 1, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];

/// Days that take more bytes than this, as PostgreSQL holds them, are not kept in memory but read for
/// each question.
const MOST_KEPT_BYTES: usize = 64 << 20;

/// The sessions that start in a range.
#[derive(Debug, Serialize)]
pub(crate) struct Sessions {
    pub(crate) sessions: i64,
    users: i64,
    events: i64,
    with_order: i64,
    /// Null without sessions, like the median.
    mean_seconds: Option<f64>,
    median_seconds: Option<f64>,
    /// Disjoint: each part holds what is longer than the one before reaches.
    histogram: Vec<Part>,
    pub(crate) pending: Lag,
}

#[derive(Debug, Serialize)]
struct Part {
    /// Null for whatever is longer.
    up_to_seconds: Option<i32>,
    sessions: i64,
}

/// `GET /api/sessions`: how many sessions start in the range, of how many users, and how long they are.
pub(crate) async fn sessions(analytics: Data<Analytics>, request: HttpRequest) -> Result<impl Responder, Problem> {
    let question = Question::read(request.query_string(), &["gap"])?;
    let gap = windows::gap(&question)?;
    let asking = async {
        let mut snapshot = analytics.snapshot().await?;
        Sessions::of(&question, gap, &analytics.known, &mut snapshot).await
    };
    Ok(Answer(in_time(asking).await?))
}

/// How the sessions of a question are come by.
struct Way {
    span: Span,
    /// In microseconds.
    gap: i64,
    /// Whether the kept ones are asked for, of some users or of all.
    kept: bool,
    /// The range of events that are stored and not in the kept sessions yet.
    pending: Option<Pending>,
}

impl Way {
    async fn of(
        question: &Question,
        gap: Option<TimeDelta>,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let span = Span::of(question, View::Rows, &known.zones, connection).await?;
        let state = sqlx::query_file!("queries/sessions/state.sql", span.starting).fetch_one(connection).await?;
        let gap = gap.and_then(|gap| gap.num_microseconds()).unwrap_or(state.gap);
        let kept = span.kept
            && span.source != Source::DatedRows
            && state.kept_gap == Some(gap)
            && question.filters.keys().all(|dimension| *dimension == "user_id");
        let pending = state.pending_from.zip(state.pending_to).filter(|_| kept);
        Ok(Self { span, gap, kept, pending: pending.map(|(from, to)| Pending::new(from, to)) })
    }

    /// Ends the range after the day with which there are enough sessions for a page: all later ones would be
    /// read only to be sorted out.
    fn narrow(&mut self, days: &[KeptDay], after: Option<DateTime<Utc>>, most: i64) {
        let from = self.span.starting.max(after);
        let mut sessions = 0;
        for day in days.iter().filter(|day| from.is_none_or(|from| day.last_start >= from)) {
            // the first day may lie before the page in part
            if from.is_none_or(|from| day.first_start >= from) {
                sessions += day.sessions;
            }
            if sessions >= most {
                let end = day.last_start + TimeDelta::microseconds(1);
                self.span.ending = Some(self.span.ending.map_or(end, |ending| ending.min(end)));
                return;
            }
        }
    }

    fn of_all_users(&self) -> bool {
        self.span.filters.as_object().is_none_or(serde_json::Map::is_empty)
    }

    fn lag(&mut self) -> Lag {
        self.pending.take().map_or(Lag::Not(false), Lag::Range)
    }
}

impl Sessions {
    /// The figures that a recount compares, as texts.
    pub(crate) fn told(&self) -> [(&'static str, String); 6] {
        let seconds = |value: Option<f64>| value.map_or("none".into(), |value| format!("{value:.6}"));
        [
            ("sessions", self.sessions.to_string()),
            ("users", self.users.to_string()),
            ("events", self.events.to_string()),
            ("with_order", self.with_order.to_string()),
            ("mean_seconds", seconds(self.mean_seconds)),
            ("median_seconds", seconds(self.median_seconds)),
        ]
    }

    /// Must be asked within one snapshot, which takes several statements.
    pub(crate) async fn of(
        question: &Question,
        gap: Option<TimeDelta>,
        known: &Known,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let mut way = Way::of(question, gap, known, connection).await?;
        if way.kept
            && way.of_all_users()
            && let Some(days) = known.sessions.days(connection).await?
        {
            let mut sums = Sums::default();
            sums.add_days(&days, &way.span, connection).await?;
            return sums.answer(way.lag(), Some(&way.span), connection).await;
        }
        let mut sums = Sums::default();
        let span = &way.span;
        if way.kept {
            let mut found =
                sqlx::query_file!("queries/sessions/of_users.sql", span.starting, span.ending, span.filters)
                    .fetch(&mut *connection);
            while let Some(row) = found.try_next().await? {
                sums.users.insert(u32::try_from(row.user_number).unwrap_or(u32::MAX));
                sums.add(row.micros, 1, row.events.into(), i64::from(row.orders > 0));
            }
        } else {
            let [from_day, to_day] = span.dates();
            let mut found = sqlx::query_file!(
                "queries/sessions/rows.sql",
                way.gap,
                span.starting,
                span.ending,
                span.filters,
                span.tz,
                from_day,
                to_day,
            )
            .fetch(&mut *connection);
            while let Some(row) = found.try_next().await? {
                match row.micros {
                    Some(micros) => sums.add(micros, row.sessions, row.events, row.with_order),
                    None => sums.users_of_rows = row.sessions,
                }
            }
        }
        sums.answer(way.lag(), None, connection).await
    }
}

/// How many sessions by the shop's gap start in the range, and for when this lags; none where they are not
/// kept, as under filters.
pub(crate) async fn count(
    question: &Question,
    known: &Known,
    connection: &mut PgConnection,
) -> Result<Option<(i64, Option<Pending>)>, Problem> {
    let way = Way::of(question, None, known, connection).await?;
    if !way.kept || !way.of_all_users() {
        return Ok(None);
    }
    let Some(days) = known.sessions.days(connection).await? else { return Ok(None) };
    let mut sessions = 0;
    for day in days {
        sessions += match day.part(&way.span) {
            Share::None => 0,
            Share::Whole => day.sessions,
            Share::From(from) => {
                let part = sqlx::query_file!("queries/sessions/part_of_day.sql", from, day.last_start, way.span.ending);
                part.fetch_one(&mut *connection).await?.micros.len() as i64
            }
        };
    }
    Ok(Some((sessions, way.pending)))
}

/// `GET /api/windows?kind=session`: a page of sessions, by their starts, then their users.
///
/// Must be asked within one snapshot, which takes several statements.
pub(crate) async fn windows(
    question: &Question,
    gap: Option<TimeDelta>,
    limit: usize,
    known: &Known,
    connection: &mut PgConnection,
) -> Result<Page, Problem> {
    let mut way = Way::of(question, gap, known, connection).await?;
    let (after, after_user) = question.own("cursor").map(read_cursor).transpose()?.unzip();
    let after = after.and_then(DateTime::from_timestamp_micros);
    let most = limit as i64 + 1;
    let found = if way.kept {
        if way.of_all_users()
            && let Some(days) = known.sessions.days(connection).await?
        {
            way.narrow(&days, after, most);
        }
        let span = &way.span;
        sqlx::query_file_as!(
            Found,
            "queries/sessions/kept_page.sql",
            span.starting,
            span.ending,
            span.filters,
            after,
            after_user,
            most
        )
        .fetch_all(&mut *connection)
        .await?
    } else {
        let span = &way.span;
        let [from_day, to_day] = span.dates();
        sqlx::query_file_as!(
            Found,
            "queries/sessions/rows_page.sql",
            way.gap,
            span.starting,
            span.ending,
            span.filters,
            span.tz,
            from_day,
            to_day,
            after,
            after_user,
            most
        )
        .fetch_all(&mut *connection)
        .await?
    };
    let next = (found.len() > limit).then(|| &found[limit - 1]).map(Found::cursor);
    let rows = found.into_iter().take(limit).map(Row::from).collect();
    Ok(Page { rows, next, pending: Some(way.lag()) })
}

/// A session as the queries of pages have it.
struct Found {
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    user_id: String,
    events: i64,
    orders: i64,
    amount: Json<Amount>,
}

impl Found {
    fn cursor(&self) -> String {
        let place = serde_json::json!([self.started_at.timestamp_micros(), self.user_id]);
        BASE64_URL_SAFE_NO_PAD.encode(place.to_string())
    }
}

fn read_cursor(text: &str) -> Result<(i64, String), Problem> {
    let place = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let place = place.filter(|(micros, user): &(i64, String)| {
        // what PostgreSQL can take
        DateTime::from_timestamp_micros(*micros).is_some_and(windows::in_reach_of_time) && !user.contains('\0')
    });
    place.ok_or_else(|| {
        Problem::parameter("cursor", text, r#"is not a "next" of an answer to this question; leave it out"#)
    })
}

impl From<Found> for Row {
    fn from(found: Found) -> Self {
        Self {
            window_start: rfc3339(found.started_at),
            window_end: rfc3339(found.ended_at),
            group: Some(found.user_id),
            events: found.events,
            orders: found.orders,
            amount: found.amount.0,
        }
    }
}

/// `session_days` as it was read last, brought up to date by what has changed since.
#[derive(Default)]
pub(crate) struct SessionDays(tokio::sync::Mutex<Kept>);

#[derive(Clone, Default)]
struct Kept {
    /// When what PostgreSQL keeps was begun anew.
    since: Option<DateTime<Utc>>,
    /// The newest fold that is in here.
    fold: i64,
    days: BTreeMap<NaiveDate, Arc<Day>>,
    /// By the first of each month.
    months: BTreeMap<NaiveDate, Month>,
}

/// The users of a month's days together, once someone has asked: uniting days takes as long as they have users,
/// uniting a year's months next to nothing.
type Month = Arc<OnceLock<RoaringBitmap>>;

/// A day, and the month that it is of.
struct KeptDay {
    day: Arc<Day>,
    month: Month,
}

impl Deref for KeptDay {
    type Target = Day;

    fn deref(&self) -> &Day {
        &self.day
    }
}

/// The sessions that start on a day.
struct Day {
    sessions: i64,
    events: i64,
    with_order: i64,
    first_start: DateTime<Utc>,
    last_start: DateTime<Utc>,
    /// Whole seconds of length, the sessions with it, and those of them that are a fraction longer.
    lengths: Vec<(i32, i64, i64)>,
    fraction_micros: i64,
    users: RoaringBitmap,
    bytes: usize,
}

/// What of a day is in a range.
enum Share {
    None,
    Whole,
    /// Starts from this on, as far as the day and the range go.
    From(DateTime<Utc>),
}

impl Day {
    fn part(&self, span: &Span) -> Share {
        let after = |time: DateTime<Utc>| span.starting.is_none_or(|starting| time >= starting);
        let before = |time: DateTime<Utc>| span.ending.is_none_or(|ending| time < ending);
        if !after(self.last_start) || !before(self.first_start) {
            Share::None
        } else if after(self.first_start) && before(self.last_start) {
            Share::Whole
        } else {
            Share::From(span.starting.map_or(self.first_start, |starting| starting.max(self.first_start)))
        }
    }
}

impl SessionDays {
    /// All days; none when days overlap, as where a clock was set back over midnight.
    async fn days(&self, connection: &mut PgConnection) -> Result<Option<Vec<KeptDay>>, Problem> {
        let mut kept = self.0.lock().await;
        let since = sqlx::query_scalar!("select kept_since from settings").fetch_one(&mut *connection).await?;
        let mut now =
            if kept.since == Some(since) { kept.clone() } else { Kept { since: Some(since), ..Kept::default() } };
        let mut rows = sqlx::query_file!("queries/sessions/days.sql", now.fold).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            now.fold = row.fold;
            let lengths = row.seconds.into_iter().zip(row.sessions_of.into_iter().zip(row.fractional));
            let day = Day {
                sessions: row.sessions,
                events: row.events,
                with_order: row.with_order,
                first_start: row.first_start,
                last_start: row.last_start,
                bytes: row.users.len() + 12 * lengths.len(),
                lengths: lengths.map(|(seconds, (all, longer))| (seconds, all.into(), longer.into())).collect(),
                fraction_micros: row.fraction_micros,
                users: RoaringBitmap::deserialize_from(row.users.as_slice())
                    .context("a set of users in session_days is damaged")
                    .map_err(Problem::Internal)?,
            };
            now.days.insert(row.day, Arc::new(day));
            now.months.insert(month(row.day), Month::default());
        }
        drop(rows);
        let kept_day = |(date, day): (&NaiveDate, &Arc<Day>)| {
            let month = now.months.get(&month(*date)).cloned().unwrap_or_default();
            (day.sessions > 0).then(|| KeptDay { day: day.clone(), month })
        };
        let days: Vec<_> = now.days.iter().filter_map(kept_day).collect();
        if days.iter().map(|day| day.bytes).sum::<usize>() > MOST_KEPT_BYTES {
            *kept = Kept::default();
        } else {
            *kept = now;
        }
        let overlap = days.windows(2).any(|pair| pair[0].last_start >= pair[1].first_start);
        Ok(Some(days).filter(|_| !overlap))
    }
}

/// The first of the day's month.
fn month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// What is summed up of sessions.
#[derive(Default)]
struct Sums {
    sessions: i64,
    events: i64,
    with_order: i64,
    /// Whole seconds of length: sessions, and those of them that are a fraction longer.
    lengths: BTreeMap<i32, (i64, i64)>,
    /// Lengths of the fractional ones in microseconds, where they are known one by one.
    exact: BTreeMap<i64, i64>,
    micros: i128,
    users: RoaringBitmap,
    /// Where users were counted by PostgreSQL.
    users_of_rows: i64,
}

impl Sums {
    /// Adds sessions of one length.
    fn add(&mut self, micros: i64, sessions: i64, events: i64, with_order: i64) {
        self.sessions += sessions;
        self.events += events;
        self.with_order += with_order;
        self.micros += i128::from(micros) * i128::from(sessions);
        let is_fractional = micros % 1_000_000 != 0;
        let (all, fractional) = self.lengths.entry(i32::try_from(micros / 1_000_000).unwrap_or(i32::MAX)).or_default();
        *all += sessions;
        if is_fractional {
            *fractional += sessions;
            *self.exact.entry(micros).or_default() += sessions;
        }
    }

    /// Adds the sessions that start in the range: of whole days by what is kept of these, of others one by one.
    async fn add_days(&mut self, days: &[KeptDay], span: &Span, connection: &mut PgConnection) -> Result<(), Problem> {
        let mut sets = Vec::new();
        for month in days.chunk_by(|a, b| Arc::ptr_eq(&a.month, &b.month)) {
            if month.iter().all(|day| matches!(day.part(span), Share::Whole)) {
                sets.push(month[0].month.get_or_init(|| month.iter().map(|day| &day.users).union()));
            } else {
                sets.extend(month.iter().filter(|day| matches!(day.part(span), Share::Whole)).map(|day| &day.users));
            }
        }
        for day in days {
            match day.part(span) {
                Share::None => {}
                Share::Whole => {
                    self.sessions += day.sessions;
                    self.events += day.events;
                    self.with_order += day.with_order;
                    self.micros += i128::from(day.fraction_micros);
                    for &(seconds, all, fractional) in &day.lengths {
                        self.micros += i128::from(seconds) * 1_000_000 * i128::from(all);
                        let (sum, sum_fractional) = self.lengths.entry(seconds).or_default();
                        *sum += all;
                        *sum_fractional += fractional;
                    }
                }
                Share::From(from) => {
                    let found =
                        sqlx::query_file!("queries/sessions/part_of_day.sql", from, day.last_start, span.ending)
                            .fetch_one(&mut *connection)
                            .await?;
                    let each = found.user_numbers.iter().zip(&found.micros).zip(found.events.iter().zip(&found.orders));
                    for ((user, micros), (events, orders)) in each {
                        self.users.insert(u32::try_from(*user).unwrap_or(u32::MAX));
                        self.add(*micros, 1, i64::from(*events), i64::from(*orders > 0));
                    }
                }
            }
        }
        sets.push(&self.users);
        self.users = sets.union();
        Ok(())
    }

    /// `range` is where the fractional lengths can be looked up that are not known one by one.
    async fn answer(
        self,
        pending: Lag,
        range: Option<&Span>,
        connection: &mut PgConnection,
    ) -> Result<Sessions, Problem> {
        let mean_seconds = (self.sessions > 0).then(|| self.micros as f64 / 1e6 / self.sessions as f64);
        let median_seconds = if self.sessions > 0 {
            let low = self.nth((self.sessions - 1) / 2, range, connection).await?;
            let high = self.nth(self.sessions / 2, range, connection).await?;
            Some((low + high) as f64 / 2e6)
        } else {
            None
        };
        Ok(Sessions {
            sessions: self.sessions,
            users: self.users_of_rows + self.users.len() as i64,
            events: self.events,
            with_order: self.with_order,
            mean_seconds,
            median_seconds,
            histogram: self.histogram(),
            pending,
        })
    }

    /// The length in microseconds of which so many are shorter or as long.
    async fn nth(&self, place: i64, range: Option<&Span>, connection: &mut PgConnection) -> Result<i64, Problem> {
        let mut before = 0;
        for (&seconds, &(all, fractional)) in &self.lengths {
            if place >= before + all {
                before += all;
                continue;
            }
            let whole = all - fractional;
            if place < before + whole {
                return Ok(i64::from(seconds) * 1_000_000);
            }
            let place = place - before - whole;
            let Some(range) = range else {
                let mut before = 0;
                let from = i64::from(seconds) * 1_000_000;
                let found = self.exact.range(from..).find(|(_, sessions)| {
                    before += **sessions;
                    place < before
                });
                return found.map(|(micros, _)| *micros).context("a length is missing").map_err(Problem::Internal);
            };
            let found =
                sqlx::query_file_scalar!("queries/sessions/nth.sql", range.starting, range.ending, seconds, place)
                    .fetch_one(connection)
                    .await?;
            return Ok(found);
        }
        Err(Problem::Internal(anyhow::anyhow!("there are fewer sessions than counted")))
    }

    fn histogram(&self) -> Vec<Part> {
        let mut parts: Vec<Part> =
            UP_TO_SECONDS.iter().map(|&seconds| Part { up_to_seconds: Some(seconds), sessions: 0 }).collect();
        parts.push(Part { up_to_seconds: None, sessions: 0 });
        for (&seconds, &(all, fractional)) in &self.lengths {
            // a fraction more than the upper end of a part belongs to the next one
            parts[UP_TO_SECONDS.partition_point(|&up_to| up_to < seconds)].sessions += all - fractional;
            parts[UP_TO_SECONDS.partition_point(|&up_to| up_to <= seconds)].sessions += fractional;
        }
        parts
    }
}
