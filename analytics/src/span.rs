//! Turns a question into what the queries of the figures take. PostgreSQL alone decides about zones.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use tokio::sync::OnceCell;

use crate::problem::Problem;
use crate::question::{Bound, Question, is_kept};

/// `sqlx::query_file!`, with a row's type `sqlx::query_file_as!`, of a query whose first seven parameters are a span.
macro_rules! query_of_span {
    ($row:ident, $file:tt, $span:expr $(, $more:expr)*) => {
        sqlx::query_file_as!(
            $row, $file, $span.source.as_str(), $span.tz, $span.starting, $span.ending, $span.from_day, $span.to_day,
            $span.filters $(, $more)*
        )
    };
    ($file:tt, $span:expr $(, $more:expr)*) => {
        sqlx::query_file!(
            $file, $span.source.as_str(), $span.tz, $span.starting, $span.ending, $span.from_day, $span.to_day,
            $span.filters $(, $more)*
        )
    };
}
pub(crate) use query_of_span;

/// The names of the time zones that PostgreSQL knows, read once: reading them takes it a while.
#[derive(Default)]
pub(crate) struct Zones(OnceCell<HashMap<String, String>>);

impl Zones {
    /// The zone's name as PostgreSQL spells it.
    async fn find(&self, tz: &str, connection: &mut PgConnection) -> Result<String, Problem> {
        let read = async || -> sqlx::Result<HashMap<String, String>> {
            let names = sqlx::query_file_scalar!("queries/zones.sql").fetch_all(connection).await?;
            Ok(names.into_iter().map(|name| (name.to_lowercase(), name)).collect())
        };
        let names = self.0.get_or_try_init(read).await?;
        // a plus sign that was not percent-encoded has come as a space, as in Etc/GMT+3
        names.get(&tz.replace(' ', "+").to_lowercase()).cloned().ok_or_else(|| {
            Problem::parameter("tz", tz, "is no time zone that PostgreSQL knows, such as UTC or Europe/Berlin")
        })
    }
}

/// What a figure is counted from. All of them give the same answer where they can give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// The kept counts of the shop's days.
    Days,
    /// The kept counts of the quarters of an hour.
    Quarters,
    /// The events themselves.
    Rows,
    /// The events themselves by their local dates, where days are no ranges of instants.
    DatedRows,
}

impl Source {
    /// The word that the queries know.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Quarters => "quarters",
            Self::Rows => "rows",
            Self::DatedRows => "dated rows",
        }
    }
}

/// What a figure shows of the events that were picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum View {
    /// All of them together.
    Whole,
    /// Each day of the zone.
    ByDay,
    /// Each value of a dimension.
    By(&'static str),
    /// Windows, of each value of a dimension; their bounds may be local dates.
    Windows { by: Option<&'static str>, dated: bool },
    /// The events themselves.
    Rows,
}

/// The events of a question, as the queries take them.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) source: Source,
    pub(crate) tz: String,
    pub(crate) starting: Option<DateTime<Utc>>,
    pub(crate) ending: Option<DateTime<Utc>>,
    pub(crate) from_day: Option<NaiveDate>,
    pub(crate) to_day: Option<NaiveDate>,
    pub(crate) filters: Value,
    /// Whether what is kept is of all events.
    pub(crate) kept: bool,
    /// Whether local dates, as far as they matter, only ever go forward in the range.
    pub(crate) steady: bool,
}

impl Span {
    /// The days of the range, where they are no ranges of time.
    pub(crate) fn dates(&self) -> [Option<NaiveDate>; 2] {
        if self.source == Source::DatedRows { [self.from_day, self.to_day] } else { [None, None] }
    }

    /// All events there are.
    pub(crate) fn everything() -> Self {
        Self {
            source: Source::Rows,
            tz: "UTC".into(),
            starting: None,
            ending: None,
            from_day: None,
            to_day: None,
            filters: json!({}),
            kept: false,
            steady: true,
        }
    }

    /// Finds out what `question` means. A zone that is none and a range that ends before it starts
    /// are the client's fault.
    pub(crate) async fn of(
        question: &Question,
        view: View,
        zones: &Zones,
        connection: &mut PgConnection,
    ) -> Result<Self, Problem> {
        let tz = match &question.tz {
            Some(tz) => Some(zones.find(tz, connection).await?),
            None => None,
        };
        let (from_day, from_instant) = parts(question.from);
        let (to_day, to_instant) = parts(question.to);
        let dated = from_day.is_some() || to_day.is_some();
        let local = dated || matches!(view, View::ByDay | View::Windows { dated: true, .. });
        let edges = sqlx::query_file!("queries/span.sql", tz, from_day, from_instant, to_day, to_instant, local,)
            .fetch_one(connection)
            .await?;
        if let (Some(from), Some(to), Some(starting), Some(ending)) =
            (question.from, question.to, edges.starting, edges.ending)
            && starting > ending
        {
            return Err(Problem::Parameter(format!("from \"{from}\" is after to \"{to}\"")));
        }

        let unbounded = question.from.is_none() && question.to.is_none();
        let timed = from_instant.is_some() || to_instant.is_some();
        let kept = edges.kept
            && question.filters.keys().all(|dimension| is_kept(dimension))
            && match view {
                View::Whole | View::ByDay => true,
                View::By(dimension) => is_kept(dimension),
                View::Windows { by, .. } => by.is_none_or(is_kept),
                View::Rows => false,
            };
        let whole = unbounded && !local;
        let shops_days = edges.shops && edges.steady && !timed;
        let source = if kept && (whole || shops_days) {
            Source::Days
        } else if kept && edges.steady && [edges.starting, edges.ending].into_iter().flatten().all(on_quarter) {
            Source::Quarters
        } else if dated && !edges.steady {
            Source::DatedRows
        } else {
            Source::Rows
        };
        Ok(Self {
            source,
            tz: edges.tz,
            starting: edges.starting,
            ending: edges.ending,
            from_day,
            to_day,
            filters: json!(question.filters),
            kept: edges.kept,
            steady: edges.steady,
        })
    }
}

fn parts(bound: Option<Bound>) -> (Option<NaiveDate>, Option<DateTime<Utc>>) {
    match bound {
        None => (None, None),
        Some(Bound::Date(date)) => (Some(date), None),
        Some(Bound::Instant(time)) => (None, Some(time)),
    }
}

fn on_quarter(time: DateTime<Utc>) -> bool {
    time.timestamp_micros() % (15 * 60 * 1_000_000) == 0
}
