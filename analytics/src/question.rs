//! What a request asks for: the parameters that all figures share, and each one's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use actix_web::web;
use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, TimeDelta, Utc};
use events::{EventType, SiteVersion};
use uuid::Uuid;

use crate::problem::{Problem, quoted};

/// What figures can be filtered and broken down by: the names that the SQL function `dimension` knows.
pub(crate) const DIMENSIONS: &[&str] = &[
    "event_type",
    "product",
    "site_version",
    "source",
    "user_id",
    "session_id",
    "page_id",
    "order_id",
    "product_id",
    "product_name",
    "brand",
    "category",
    "currency",
    "status",
    "payment_method",
    "order_type",
    "country",
    "state",
    "city",
    "traffic_source",
    "device",
    "os",
    "gender",
    "age_group",
    "membership_level",
    "region",
    "screen_size",
    "display_type",
    "resolution",
    "import_id",
];

/// The dimensions that only events with details have a value of: those of the SQL function `detail_dimensions`.
pub(crate) fn is_detail(dimension: &str) -> bool {
    !is_kept(dimension) && !["user_id", "page_id", "import_id"].contains(&dimension)
}

/// The dimensions that the kept counts have.
pub(crate) const KEPT: &[&str] = &["event_type", "product", "site_version", "source"];

const MAX_QUERY_BYTES: usize = 8_000;
const MAX_FILTER_VALUES: usize = 100;

/// Whether the kept counts can tell values of the dimension apart.
pub(crate) fn is_kept(dimension: &str) -> bool {
    KEPT.contains(&dimension)
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// The start of a day of the question's zone.
    Date(NaiveDate),
    /// To the microsecond, as the events' times are.
    Instant(DateTime<Utc>),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Instant(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

/// The parameters of a request, each of them usable as far as one can tell without the database.
#[derive(Debug, Default)]
pub(crate) struct Question {
    pub(crate) from: Option<Bound>,
    pub(crate) to: Option<Bound>,
    /// The zone as it was written; null for the shop's.
    pub(crate) tz: Option<String>,
    /// Dimensions and the values that pass.
    pub(crate) filters: BTreeMap<&'static str, Vec<String>>,
    /// The parameters of this one path.
    own: BTreeMap<&'static str, String>,
}

impl Question {
    /// Reads a query string; `own` are the names that the path takes besides the common ones.
    pub(crate) fn read(query: &str, own: &[&'static str]) -> Result<Self, Problem> {
        if query.len() > MAX_QUERY_BYTES {
            let why = format!("is the start of {} bytes of query, at most {MAX_QUERY_BYTES} are read", query.len());
            return Err(Problem::parameter("the address", query, why));
        }
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| Problem::parameter("the query", query, error))?
            .into_inner();
        let mut question = Self::default();
        let mut values = 0;
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(Problem::parameter(&name, &value, "holds a NUL, which no event does"));
            }
            if let Some(dimension) = DIMENSIONS.iter().find(|dimension| **dimension == name) {
                values += 1;
                if values > MAX_FILTER_VALUES {
                    let why = format!("is one filter value too many, {MAX_FILTER_VALUES} are the most");
                    return Err(Problem::parameter(dimension, &value, why));
                }
                let value = filter_value(dimension, value)?;
                question.filters.entry(dimension).or_default().push(value);
            } else if let Some(own) = own.iter().find(|own| **own == name) {
                once(question.own.insert(own, value.clone()).is_none(), own, &value)?;
            } else {
                match name.as_str() {
                    "from" => once(question.from.replace(bound("from", &value)?).is_none(), "from", &value)?,
                    "to" => once(question.to.replace(bound("to", &value)?).is_none(), "to", &value)?,
                    "tz" => once(question.tz.replace(value.clone()).is_none(), "tz", &value)?,
                    _ => {
                        let known = ["from", "to", "tz"].iter().chain(own).chain(DIMENSIONS);
                        let known = known.copied().collect::<Vec<_>>().join(", ");
                        let name = quoted(&name);
                        return Err(Problem::Parameter(format!("unknown parameter {name}; known are {known}")));
                    }
                }
            }
        }
        Ok(question)
    }

    /// Refuses what a path that has no range would take no notice of: all but filters by these dimensions.
    pub(crate) fn narrows_by(&self, dimensions: &[&str]) -> Result<(), Problem> {
        let bounds = [("from", self.from), ("to", self.to)].map(|(name, bound)| (name, bound.map(|it| it.to_string())));
        let filters = self.filters.iter().filter(|(name, _)| !dimensions.contains(name));
        let unused = bounds
            .into_iter()
            .chain([("tz", self.tz.clone())])
            .chain(filters.map(|(name, values)| (*name, values.first().cloned())))
            .find_map(|(name, value)| Some((name, value?)));
        match unused {
            None => Ok(()),
            Some((name, value)) => Err(Problem::parameter(name, &value, "is of no use here")),
        }
    }

    /// How many rows to answer with.
    pub(crate) fn limit(&self, default: i64, most: i64) -> Result<i64, Problem> {
        let Some(text) = self.own.get("limit") else { return Ok(default) };
        text.parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Problem::parameter("limit", text, format_args!("is not a whole number from 1 to {most}")))
    }

    /// A parameter of this one path, as it was written.
    pub(crate) fn own(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str)
    }

    /// The dimension to break down by.
    pub(crate) fn by(&self) -> Result<&'static str, Problem> {
        self.by_one_of(DIMENSIONS)
    }

    /// The same where there are only these.
    pub(crate) fn by_one_of(&self, dimensions: &[&'static str]) -> Result<&'static str, Problem> {
        let known = || dimensions.join(", ");
        match self.own.get("by") {
            None => Err(Problem::Parameter(format!("parameter \"by\" is missing; it is one of {}", known()))),
            Some(text) => dimensions
                .iter()
                .find(|dimension| *dimension == text)
                .copied()
                .ok_or_else(|| Problem::parameter("by", text, format_args!("is none of {}", known()))),
        }
    }
}

fn once(first: bool, name: &str, value: &str) -> Result<(), Problem> {
    if first { Ok(()) } else { Err(Problem::parameter(name, value, "is its second value, only one can be used")) }
}

/// Refuses what no event can have, for it is a slip of the pen that would count as zero.
fn filter_value(dimension: &str, value: String) -> Result<String, Problem> {
    let checked = match dimension {
        "event_type" => EventType::from_str(&value).map(|word| word.to_string()),
        "site_version" => SiteVersion::from_str(&value).map(|word| word.to_string()),
        "import_id" => Uuid::parse_str(&value).map(|id| id.to_string()).map_err(|_| format!("{value:?} is no UUID")),
        _ => return Ok(value),
    };
    checked.map_err(|why| Problem::Parameter(format!("{dimension} {why}")))
}

fn bound(name: &str, text: &str) -> Result<Bound, Problem> {
    // chrono takes 2019-1-1 for a date, too
    if text.len() == 10
        && let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
    {
        return Ok(Bound::Date(date));
    }
    DateTime::parse_from_rfc3339(&plus(text)).map(|time| Bound::Instant(up_to_microsecond(time.to_utc()))).map_err(
        |_| {
            Problem::parameter(
                name,
                text,
                "is neither a date, such as 2019-01-31, nor a time of RFC 3339, such as 2019-01-31T18:00:00Z",
            )
        },
    )
}

/// A plus sign that was not percent-encoded has come as a space.
fn plus(text: &str) -> Cow<'_, str> {
    match text.len().checked_sub("+00:00".len()) {
        Some(at) if at > 10 && text.as_bytes()[at] == b' ' => {
            Cow::Owned(format!("{}+{}", &text[..at], &text[at + 1..]))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Events have whole microseconds, so those from a finer time on are those from the next one on.
fn up_to_microsecond(time: DateTime<Utc>) -> DateTime<Utc> {
    let truncated = time.trunc_subsecs(6);
    if truncated < time { truncated + TimeDelta::microseconds(1) } else { truncated }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Bound {
        Bound::Instant(text.parse().unwrap())
    }

    #[test]
    fn a_bound_is_a_date_or_a_time_with_an_offset() {
        assert_eq!(bound("from", "2019-01-31").unwrap(), Bound::Date(NaiveDate::from_ymd_opt(2019, 1, 31).unwrap()));
        assert_eq!(bound("from", "2019-01-31T18:00:00Z").unwrap(), instant("2019-01-31T18:00:00Z"));
        assert_eq!(bound("from", "2019-01-31T18:00:00.5+05:45").unwrap(), instant("2019-01-31T12:15:00.5Z"));
        for text in ["", "2019-1-31", "2019-02-29", "31.01.2019", "2019-01-31T18:00:00", "yesterday", "+2019-01-01"] {
            assert!(bound("from", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_plus_sign_that_came_as_a_space_is_one() {
        assert_eq!(bound("from", "2019-01-31T18:00:00 02:00").unwrap(), instant("2019-01-31T16:00:00Z"));
    }

    #[test]
    fn a_bound_between_two_microseconds_is_the_later_one() {
        assert_eq!(bound("to", "2019-01-31T18:00:00.0000001Z").unwrap(), instant("2019-01-31T18:00:00.000001Z"));
        assert_eq!(bound("to", "2019-01-31T18:00:00.0000010Z").unwrap(), instant("2019-01-31T18:00:00.000001Z"));
    }

    #[test]
    fn a_filter_that_comes_again_means_or() {
        let question = Question::read("product=clothes&site_version=mobile&product=a%26b%20c", &[]).unwrap();
        assert_eq!(question.filters["product"], ["clothes", "a&b c"]);
        assert_eq!(question.filters["site_version"], ["mobile"]);
    }
}
