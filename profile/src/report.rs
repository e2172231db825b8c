//! The report, as a type, as JSON, and as text for a terminal.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::column::Column;
use crate::distinct::Count;
use crate::numbers::{Number, Range, Statistics};
use crate::values::Distribution;

/// A distribution with the columns that it is taken from: in each row the first of them that has a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// As the header says them.
    pub columns: Vec<String>,
    /// The values.
    #[serde(flatten)]
    pub distribution: Distribution,
}

/// How complete the rows are, and how they are spread over users and sessions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Rows times columns.
    pub cells: u64,
    /// Of these, null, empty or blank.
    pub missing: u64,
    /// The others in per cent.
    pub completeness: f64,
    /// Different users; null without a column of them.
    pub users: Option<Usage>,
    /// Different sessions; null without a column of them.
    pub sessions: Option<Usage>,
}

/// How many rows share a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// As the header says it.
    pub column: String,
    /// Different values.
    pub distinct: Count,
    /// In per cent of the rows.
    pub percent_of_rows: f64,
}

/// The prices, those of all rows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// Where they are taken from: in each row the first of them that has a value.
    pub columns: Vec<String>,
    /// The currencies that are named; with more than one, neither sum nor percentiles mean much.
    pub currencies: Vec<String>,
    /// Their mean and percentiles.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// How many are how high.
    pub ranges: Vec<Range>,
}

/// The events of a type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// As the rows say it.
    pub event_type: String,
    /// How many there are.
    pub events: u64,
    /// In per cent of all events.
    pub percent: f64,
    /// Different users who made them; null without a column of users.
    pub users: Option<Count>,
    /// Sums of the prices, each currency by itself.
    pub value: Vec<Value>,
}

/// A sum of prices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Value {
    /// Null where the rows name none.
    pub currency: Option<String>,
    /// Of all prices, whatever became of the order.
    pub sum: Number,
}

/// How many go on from a step to a later one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// The earlier event type.
    pub from: String,
    /// The later one.
    pub to: String,
    /// Its events in per cent of the earlier ones; over 100 where one is followed by several.
    pub percent: f64,
    /// Its users in per cent of the earlier ones; null without a column of users.
    pub users_percent: Option<f64>,
}

/// What a file, or the stored events, consist of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The file, or `stored events`.
    pub source: String,
    /// Rows, header and unreadable ones not counted.
    pub rows: u64,
    /// Of these, rows with more or fewer fields than the header.
    pub irregular_rows: u64,
    /// Lines that are no rows.
    pub unreadable_rows: u64,
    /// How complete they are.
    pub quality: Quality,
    /// Rows that are the same as one before. Of stored events this means the same event under another id.
    pub duplicates: Count,
    /// Each column.
    pub columns: Vec<Column>,
    /// Event types; null where no column is known to hold them.
    pub event_types: Option<Named>,
    /// Brands.
    pub brands: Option<Named>,
    /// Categories, by what stands before their first point.
    pub categories: Option<Named>,
    /// Prices.
    pub price: Option<Price>,
    /// Event types with users and value, most frequent first.
    pub funnel: Vec<Stage>,
    /// From step to step.
    pub rates: Vec<Rate>,
    /// The most frequent brands, with how many events of each type they have.
    pub brands_by_type: Vec<(String, BTreeMap<String, u64>)>,
    /// The first rows.
    pub sample: Vec<Vec<Option<String>>>,
}

/// With thousands apart, as all figures are read.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count, with its error where it is an estimate.
pub(crate) fn told(count: Count) -> String {
    match count.error_percent {
        None => grouped(count.value),
        Some(error) => format!("about {} (± {error} %)", grouped(count.value)),
    }
}

/// The report for a terminal: plain text, each section under its heading.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.overview(f)?;
        self.columns(f)?;
        for (heading, named) in
            [("Event types", &self.event_types), ("Brands", &self.brands), ("Top categories", &self.categories)]
        {
            match named {
                Some(named) => distribution(f, heading, named)?,
                None => writeln!(f, "\n{heading}\n  none: no column is known to hold them, or it is empty")?,
            }
        }
        self.prices(f)?;
        self.events(f)?;
        writeln!(f, "\nFirst rows")?;
        for (number, row) in self.sample.iter().enumerate() {
            writeln!(f, "  row {}", number + 1)?;
            for (column, value) in self.columns.iter().zip(row) {
                // columns without any value are told above
                if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                    writeln!(f, "    {}: {value}", column.name)?;
                }
            }
        }
        Ok(())
    }
}

impl Profile {
    fn overview(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quality { cells, missing, completeness, users, sessions } = &self.quality;
        writeln!(f, "{}: {} rows, {} columns", self.source, grouped(self.rows), self.columns.len())?;
        writeln!(f, "\nQuality")?;
        writeln!(
            f,
            "  complete      {completeness} % ({} of {} cells are missing)",
            grouped(*missing),
            grouped(*cells)
        )?;
        writeln!(f, "  repeated rows {}", told(self.duplicates))?;
        for (name, usage) in [("users", users), ("sessions", sessions)] {
            if let Some(Usage { column, distinct, percent_of_rows }) = usage {
                writeln!(f, "  {name:<13} {} in {column}, {percent_of_rows} % of the rows", told(*distinct))?;
            }
        }
        for (count, what) in [
            (self.irregular_rows, "rows have more or fewer fields than the header"),
            (self.unreadable_rows, "lines are no rows: too long, or a quote is not closed"),
        ] {
            if count > 0 {
                writeln!(f, "  {} {what}", grouped(count))?;
            }
        }
        Ok(())
    }

    fn columns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.columns.iter().map(|column| {
            let mut more = match (&column.span, &column.statistics, &column.values) {
                (Some((first, last)), ..) => format!("{first} to {last}"),
                (_, Some(statistics), _) => match &*statistics.quantiles {
                    [least, .., greatest] => format!("{} to {}", least.value, greatest.value),
                    _ => String::new(),
                },
                (.., Some(values)) => {
                    let top = values.top.iter().take(3);
                    top.map(|share| format!("{} {} %", cut(&share.value), share.percent)).collect::<Vec<_>>().join(", ")
                }
                _ => String::new(),
            };
            if column.misfits > 0 {
                more = format!("{} are no {}; {more}", grouped(column.misfits), column.kind.as_str());
            }
            [
                column.name.clone(),
                column.kind.as_str().into(),
                grouped(column.nulls),
                grouped(column.empty),
                format!("{} %", column.completeness),
                told(column.distinct),
                more,
            ]
        });
        let head = ["column", "type", "null", "empty", "complete", "distinct", "values"].map(String::from);
        writeln!(f, "\nColumns")?;
        table(f, std::iter::once(head).chain(rows).collect(), &[2, 3, 4, 5])
    }

    fn prices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPrices")?;
        let Some(Price { columns, currencies, statistics, ranges }) = &self.price else {
            return writeln!(f, "  none: no column is known to hold them, or it is empty");
        };
        writeln!(f, "  in {}, {} of them", columns.join(", else "), grouped(statistics.count))?;
        if currencies.len() > 1 {
            writeln!(f, "  of several currencies, taken together: {}", currencies.join(", "))?;
        }
        write!(f, "  mean {:.2}", statistics.mean)?;
        if let Some(stddev) = statistics.stddev {
            write!(f, ", standard deviation {stddev:.2}")?;
        }
        if let Some(error) = statistics.quantile_error_percent {
            write!(f, "; percentiles ± {error} %")?;
        }
        writeln!(f)?;
        for quantile in &statistics.quantiles {
            writeln!(f, "  {:<6} {}", quantile_name(quantile.percent), quantile.value)?;
        }
        let rows = ranges.iter().map(|range| {
            [range.range.clone(), grouped(range.rows), format!("{} %", range.percent), bar(range.percent)]
        });
        table(f, rows.collect(), &[1, 2])
    }

    fn events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nFunnel")?;
        if self.funnel.is_empty() {
            return writeln!(f, "  none: no column is known to hold event types, or it is empty");
        }
        let head = ["event type", "events", "users", "value"].map(String::from);
        let rows = self.funnel.iter().map(|stage| {
            let value = stage.value.iter().map(|value| match &value.currency {
                Some(currency) => format!("{} {currency}", value.sum),
                None => value.sum.to_string(),
            });
            [
                stage.event_type.clone(),
                grouped(stage.events),
                stage.users.map_or_else(String::new, told),
                value.collect::<Vec<_>>().join(", "),
            ]
        });
        table(f, std::iter::once(head).chain(rows).collect(), &[1, 2, 3])?;
        for Rate { from, to, percent, users_percent } in &self.rates {
            write!(f, "  {from} → {to}: {percent} %")?;
            match users_percent {
                Some(users) => writeln!(f, ", of users {users} %")?,
                None => writeln!(f)?,
            }
        }
        if !self.brands_by_type.is_empty() {
            writeln!(f, "\nEvents by brand")?;
            let types: Vec<_> = self.funnel.iter().take(4).map(|stage| &stage.event_type).collect();
            let head = std::iter::once("brand".to_owned()).chain(types.iter().map(|name| (*name).clone()));
            let rows = self.brands_by_type.iter().map(|(brand, counts)| {
                let counts = types.iter().map(|name| grouped(counts.get(*name).copied().unwrap_or(0)));
                std::iter::once(cut(brand)).chain(counts).collect::<Vec<_>>()
            });
            table(f, std::iter::once(head.collect()).chain(rows).collect(), &[1, 2, 3, 4])?;
        }
        Ok(())
    }
}

fn distribution(f: &mut fmt::Formatter<'_>, heading: &str, named: &Named) -> fmt::Result {
    let Named { columns, distribution: Distribution { top, other_rows, lacking_at_most } } = named;
    writeln!(f, "\n{heading}\n  in {}", columns.join(", else "))?;
    let rows = top
        .iter()
        .map(|share| [cut(&share.value), grouped(share.rows), format!("{} %", share.percent), bar(share.percent)]);
    table(f, rows.collect(), &[1, 2])?;
    if *other_rows > 0 {
        writeln!(f, "  others: {}", grouped(*other_rows))?;
    }
    if *lacking_at_most > 0 {
        writeln!(f, "  each may lack up to {}", grouped(*lacking_at_most))?;
    }
    Ok(())
}

pub(crate) fn quantile_name(percent: u32) -> String {
    match percent {
        0 => "min".into(),
        50 => "median".into(),
        100 => "max".into(),
        percent => format!("{percent} %"),
    }
}

/// A value with room for others beside it.
fn cut(value: &str) -> String {
    match value.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.into(),
    }
}

fn bar(percent: f64) -> String {
    "█".repeat((percent / 2.5).round() as usize)
}

/// Rows of cells in columns; those at `right` are figures.
fn table<Row: AsRef<[String]>>(f: &mut fmt::Formatter<'_>, rows: Vec<Row>, right: &[usize]) -> fmt::Result {
    let places = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |place: usize| rows.iter().map(|row| row.as_ref()[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..places).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (place, (cell, &width)) in row.as_ref().iter().zip(&widths).enumerate() {
            let cell = if right.contains(&place) { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line.push_str("  ");
            line.push_str(&cell);
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
