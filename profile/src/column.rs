//! One column: what its values are, how many are missing, how many differ.

use serde::Serialize;

use crate::distinct::{Count, Distinct};
use crate::hash;
use crate::numbers::{Number, Numbers, Statistics};
use crate::values::{Distribution, Values, percent, text};

/// Frequent values that a column's report names.
const TOP: usize = 10;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// No value at all.
    Empty,
    /// Whole numbers.
    Integer,
    /// Decimals, with whole numbers among them or not.
    Decimal,
    /// A date and a time of day.
    Time,
    /// 32 hexadecimal digits, with dashes or without.
    Uuid,
    /// Anything else.
    Text,
}

impl Kind {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Text => "text",
        }
    }
}

/// The report of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// As the header says it.
    pub name: String,
    /// What most of its values are.
    pub kind: Kind,
    /// Values that are something else than `kind`.
    pub misfits: u64,
    /// Rows without the field: SQL's null, a CSV row that is too short.
    pub nulls: u64,
    /// Rows where it is empty, or blank.
    pub empty: u64,
    /// Rows that have a value, in per cent of all.
    pub completeness: f64,
    /// Different values.
    pub distinct: Count,
    /// The first and the last of times, as they are written and in the order of their text.
    pub span: Option<(String, String)>,
    /// Of numbers that are no ids.
    pub statistics: Option<Statistics>,
    /// Frequent values; null for ids and times.
    pub values: Option<Distribution>,
}

/// A column while its rows come.
pub(crate) struct Gathered {
    pub(crate) name: String,
    /// Ids are told apart, but neither is the one that comes often of interest nor their mean.
    is_id: bool,
    nulls: u64,
    empty: u64,
    integers: u64,
    decimals: u64,
    times: u64,
    uuids: u64,
    texts: u64,
    distinct: Distinct,
    numbers: Numbers,
    pub(crate) values: Option<Values>,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Gathered {
    pub(crate) fn new(name: &str) -> Self {
        let lower = name.to_lowercase();
        let is_id = lower == "id" || lower.ends_with("_id") || lower.ends_with("session") || lower == "offset";
        Self {
            name: name.into(),
            is_id,
            nulls: 0,
            empty: 0,
            integers: 0,
            decimals: 0,
            times: 0,
            uuids: 0,
            texts: 0,
            distinct: Distinct::new(Distinct::COLUMN),
            numbers: Numbers::default(),
            values: (!is_id).then(Values::default),
            first: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Counts a row's field; returns the hash of its value unless it is missing.
    pub(crate) fn add(&mut self, field: Option<&[u8]>) -> Option<u64> {
        let Some(value) = field else {
            self.nulls += 1;
            return None;
        };
        if value.iter().all(u8::is_ascii_whitespace) {
            self.empty += 1;
            return None;
        }
        let hash = hash::of(value);
        // a frequent value has been told apart already
        if !self.values.as_mut().is_some_and(|values| values.add(hash, value)) || self.is_crowded() {
            self.distinct.add(hash);
        }
        match kind(value) {
            Kind::Integer => self.integers += 1,
            Kind::Decimal => self.decimals += 1,
            Kind::Time => {
                self.times += 1;
                if self.times == 1 || value < &*self.first {
                    self.first = value.into();
                }
                if value > &*self.last {
                    self.last = value.into();
                }
                // times are told by their span
                if self.is_crowded() && self.times == self.rows() {
                    self.values = None;
                }
            }
            Kind::Uuid => self.uuids += 1,
            Kind::Text | Kind::Empty => self.texts += 1,
        }
        if !self.is_id
            && let Some(number) = Number::parse(value)
        {
            self.numbers.add(number);
        }
        Some(hash)
    }

    fn is_crowded(&self) -> bool {
        self.values.as_ref().is_some_and(Values::is_crowded)
    }

    /// Rows that have a value.
    fn rows(&self) -> u64 {
        self.integers + self.decimals + self.times + self.uuids + self.texts
    }

    /// Rows that have none.
    pub(crate) fn missing(&self) -> u64 {
        self.nulls + self.empty
    }

    /// An estimate can be too high, but never are there more values than rows that have one.
    pub(crate) fn distinct(&self) -> Count {
        let Count { value, error_percent } = self.distinct.values();
        Count { value: value.min(self.rows()), error_percent }
    }

    pub(crate) fn report(&self) -> Column {
        let rows = self.rows();
        let numbers = self.integers + self.decimals;
        let kinds = [
            (if self.decimals > 0 { Kind::Decimal } else { Kind::Integer }, numbers),
            (Kind::Time, self.times),
            (Kind::Uuid, self.uuids),
            (Kind::Text, self.texts),
        ];
        let (kind, fitting) = match kinds.into_iter().find(|(_, count)| count * 2 > rows) {
            Some((Kind::Text, _)) => (Kind::Text, rows),
            Some(most) => most,
            None if rows == 0 => (Kind::Empty, 0),
            None => (Kind::Text, rows),
        };
        let is_number = matches!(kind, Kind::Integer | Kind::Decimal);
        Column {
            name: self.name.clone(),
            kind,
            misfits: rows - fitting,
            nulls: self.nulls,
            empty: self.empty,
            completeness: percent(rows, rows + self.missing()),
            distinct: self.distinct(),
            span: (kind == Kind::Time).then(|| (text(&self.first), text(&self.last))),
            statistics: self.numbers.statistics().filter(|_| is_number),
            values: self
                .values
                .as_ref()
                .filter(|_| rows > 0 && kind != Kind::Time)
                .map(|values| values.distribution(TOP)),
        }
    }
}

fn kind(value: &[u8]) -> Kind {
    let first = value[0];
    if first == b'-' || first.is_ascii_digit() {
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        if !digits.is_empty() && digits.len() <= 31 && digits.iter().all(u8::is_ascii_digit) {
            return Kind::Integer;
        }
        if Number::parse(value).is_some() {
            return Kind::Decimal;
        }
        if is_time(value) {
            return Kind::Time;
        }
    }
    let is_uuid = match value.len() {
        32 => value.iter().all(u8::is_ascii_hexdigit),
        36 => value.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    };
    if is_uuid { Kind::Uuid } else { Kind::Text }
}

/// Begins like `2020-09-24 11:57:06`, whatever zone or fraction follows.
fn is_time(value: &[u8]) -> bool {
    value.len() >= 19
        && value[..19].iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            10 => matches!(byte, b' ' | b'T'),
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_by_its_form() {
        for (value, expected) in [
            ("1515915625519385419", Kind::Integer),
            ("-7", Kind::Integer),
            ("31.90", Kind::Decimal),
            ("2020-09-24 11:57:06 UTC", Kind::Time),
            ("2021-02-12T20:40:19.5+00:00", Kind::Time),
            ("2021-02-12", Kind::Text),
            ("07fa341b076f99613b029a3c923f60be", Kind::Uuid),
            ("0199f3a2-7c1e-7d44-9a51-3b7f0c2f9e10", Kind::Uuid),
            ("12345678901234567890123456789012", Kind::Uuid),
            ("$79.99", Kind::Text),
            ("-", Kind::Text),
        ] {
            assert_eq!(kind(value.as_bytes()), expected, "{value}");
        }
    }
}
