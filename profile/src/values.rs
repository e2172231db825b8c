//! The frequent values of a column: exact while there are few, beyond that with a bound on what they lack.

use std::collections::HashMap;

use serde::Serialize;

use crate::hash;

/// Values that are kept when there are too many.
const KEPT: usize = 4_096;

/// Longer values are cut in the report.
const SHOWN_BYTES: usize = 200;

/// A value and its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The value, its first 200 bytes.
    pub value: String,
    /// Rows that have it.
    pub rows: u64,
    /// Of the rows that have a value.
    pub percent: f64,
}

/// The most frequent values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// Most frequent first; equal ones by value.
    pub top: Vec<Share>,
    /// Rows with values that are not in `top`.
    pub other_rows: u64,
    /// Each count may lack up to so many rows; 0 when they are exact.
    pub lacking_at_most: u64,
}

/// Counts values as Misra and Gries do: when there are more than twice [`KEPT`], the count of the value that is
/// the `KEPT`-th is taken off all, and who has none left goes.
#[derive(Default)]
pub(crate) struct Values {
    counts: HashMap<u64, (Box<[u8]>, u64), hash::Build>,
    rows: u64,
    taken_off: u64,
}

impl Values {
    /// Counts a value by its hash; returns whether it is there already.
    pub(crate) fn add(&mut self, hash: u64, value: &[u8]) -> bool {
        self.rows += 1;
        if let Some((_, count)) = self.counts.get_mut(&hash) {
            *count += 1;
            return true;
        }
        self.counts.insert(hash, (value[..value.len().min(SHOWN_BYTES)].into(), 1));
        if self.counts.len() > 2 * KEPT {
            let mut counts: Vec<u64> = self.counts.values().map(|(_, count)| *count).collect();
            let (_, &mut off, _) = counts.select_nth_unstable_by(KEPT, |a, b| b.cmp(a));
            self.taken_off += off;
            self.counts.retain(|_, (_, count)| {
                *count = count.saturating_sub(off);
                *count > 0
            });
        }
        false
    }

    /// Whether values were too many to be counted exactly.
    pub(crate) fn is_crowded(&self) -> bool {
        self.taken_off > 0
    }

    /// Each value with its count, most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(&[u8], u64)> {
        let mut sorted: Vec<_> = self.counts.values().map(|(value, count)| (&**value, *count)).collect();
        sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        sorted
    }

    pub(crate) fn distribution(&self, most: usize) -> Distribution {
        let top: Vec<_> = self
            .sorted()
            .into_iter()
            .take(most)
            .map(|(value, rows)| Share { value: text(value), rows, percent: percent(rows, self.rows) })
            .collect();
        let shown: u64 = top.iter().map(|share| share.rows).sum();
        Distribution { top, other_rows: self.rows - shown, lacking_at_most: self.taken_off }
    }
}

/// A part of a whole to the hundredth of a per cent; 0 of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 * 10_000.0 / whole as f64).round() / 100.0 }
}

/// A value as text to be shown: what is no UTF-8 is replaced, and what a terminal would take for an order.
pub(crate) fn text(value: &[u8]) -> String {
    let value = &value[..value.len().min(SHOWN_BYTES)];
    String::from_utf8_lossy(value).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_exactly() {
        let mut values = Values::default();
        for value in ["b", "a", "c", "a", "b", "a"] {
            values.add(hash::of(value.as_bytes()), value.as_bytes());
        }
        let share = |value: &str, rows, percent| Share { value: value.into(), rows, percent };
        assert_eq!(
            values.distribution(2),
            Distribution { top: vec![share("a", 3, 50.0), share("b", 2, 33.33)], other_rows: 1, lacking_at_most: 0 }
        );
    }

    #[test]
    fn a_frequent_value_among_too_many_is_found_and_lacks_no_more_than_is_said() {
        let mut values = Values::default();
        for n in 0_u64..200_000 {
            let value = if n % 10 == 0 { 7 } else { n + 1_000 };
            values.add(hash::of(&value.to_le_bytes()), &value.to_le_bytes());
        }
        let (value, count) = values.sorted()[0];
        assert_eq!(value, 7_u64.to_le_bytes());
        assert!(count <= 20_000 && count + values.taken_off >= 20_000);
        assert!(values.is_crowded() && values.taken_off < 200_000 / KEPT as u64);
        assert!(values.counts.len() <= 2 * KEPT);
    }
}
