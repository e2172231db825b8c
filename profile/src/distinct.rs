//! Distinct values and repeats: exact up to a bound, beyond it estimated from a sample of the values.

use std::collections::HashMap;

use serde::Serialize;

use crate::hash;

/// A count, or an estimate of one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Count {
    /// How many.
    pub value: u64,
    /// The estimate is off by no more than so many per cent in 95 of 100 cases; null when the count is exact.
    pub error_percent: Option<f64>,
}

impl Count {
    /// A count that is no estimate.
    pub fn exact(value: u64) -> Self {
        Self { value, error_percent: None }
    }
}

/// The values seen, by hash, with how often each came. When there are more than `bound` of them, every second
/// hash is forgotten for good, and what is left stands for all: a sample of the values, not of the rows.
pub(crate) struct Distinct {
    seen: HashMap<u64, u32, hash::Build>,
    bound: usize,
    /// One in two to the power of this many hashes is kept.
    halvings: u32,
}

impl Distinct {
    /// For the columns: 18 MB each at the most.
    pub(crate) const COLUMN: usize = 917_504;
    /// For whole rows: 71 MB at the most.
    pub(crate) const ROWS: usize = 3_670_016;

    pub(crate) fn new(bound: usize) -> Self {
        Self { seen: HashMap::default(), bound, halvings: 0 }
    }

    pub(crate) fn add(&mut self, hash: u64) {
        if !kept(hash, self.halvings) {
            return;
        }
        let count = self.seen.entry(hash).or_insert(0);
        *count = count.saturating_add(1);
        while self.seen.len() > self.bound {
            self.halvings += 1;
            let halvings = self.halvings;
            self.seen.retain(|hash, _| kept(*hash, halvings));
        }
    }

    /// How many distinct values there were.
    pub(crate) fn values(&self) -> Count {
        self.estimate(self.seen.len() as f64, self.seen.len() as f64)
    }

    /// How many came that were there before.
    pub(crate) fn repeats(&self) -> Count {
        let repeats = || self.seen.values().map(|&count| f64::from(count - 1));
        self.estimate(repeats().sum(), repeats().map(|repeats| repeats * repeats).sum())
    }

    /// Of all, by the sum over the sample and the sum of squares: Horvitz and Thompson's estimate, its error twice
    /// the standard deviation.
    fn estimate(&self, sum: f64, squares: f64) -> Count {
        if self.halvings == 0 {
            return Count::exact(sum as u64);
        }
        let kept = 0.5_f64.powi(self.halvings as i32);
        let error = if sum > 0.0 { 200.0 * (squares * (1.0 - kept)).sqrt() / sum } else { 100.0 };
        Count { value: (sum / kept) as u64, error_percent: Some((error * 100.0).ceil() / 100.0) }
    }
}

/// Told by bits that a hash table makes no use of.
fn kept(hash: u64, halvings: u32) -> bool {
    (hash >> 32).trailing_zeros() >= halvings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u64>, bound: usize) -> Distinct {
        let mut distinct = Distinct::new(bound);
        values.for_each(|value| distinct.add(hash::of(&value.to_le_bytes())));
        distinct
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let distinct = of((0..1_000).chain(0..10), 1_000);
        assert_eq!((distinct.values(), distinct.repeats()), (Count::exact(1_000), Count::exact(10)));
    }

    #[test]
    fn many_values_are_estimated_within_the_error_that_is_said() {
        let distinct = of((0..300_000).chain(0..100_000), 10_000);
        for (count, truth) in [(distinct.values(), 300_000.0), (distinct.repeats(), 100_000.0)] {
            let error = count.error_percent.unwrap();
            assert!((1.0..6.0).contains(&error), "{error}");
            assert!((count.value as f64 - truth).abs() / truth * 100.0 < error, "{count:?} of {truth}");
        }
        assert!(distinct.seen.len() <= 10_000);
    }
}
