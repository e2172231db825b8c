//! Numbers, their quantiles and ranges, in decimal: exact while there are not too many different ones.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Serialize, Serializer};

/// Different numbers that are kept one by one.
const DISTINCT: usize = 65_536;

/// The relative error of a quantile when there are more.
const ERROR: f64 = 0.005;

const NANO: i128 = 1_000_000_000;

/// A decimal of at most 18 digits before the point and 9 behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(i128);

impl Number {
    /// Reads digits with at most one point and a minus; no exponent.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let mut whole: i64 = 0;
        let mut place = 0;
        while place < digits.len() && digits[place].is_ascii_digit() {
            whole = whole.checked_mul(10)?.checked_add(i64::from(digits[place] - b'0'))?;
            place += 1;
        }
        if place == 0 || place > 19 {
            return None;
        }
        let mut nano = i128::from(whole) * NANO;
        if place < digits.len() {
            let fraction = &digits[place + 1..];
            if digits[place] != b'.' || fraction.is_empty() || fraction.len() > 9 {
                return None;
            }
            let mut part: i64 = 0;
            for digit in fraction {
                if !digit.is_ascii_digit() {
                    return None;
                }
                part = part * 10 + i64::from(digit - b'0');
            }
            nano += i128::from(part) * 10_i128.pow(9 - fraction.len() as u32);
        }
        Some(Self(if negative { -nano } else { nano }))
    }

    fn as_f64(self) -> f64 {
        self.0 as f64 / NANO as f64
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.unsigned_abs() / NANO as u128, self.0.unsigned_abs() % NANO as u128);
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{fraction:09}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

/// As text: a JSON number would pass through binary floating point somewhere.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A sum of [`Number`]s.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(i128);

impl Sum {
    pub(crate) fn add(&mut self, number: Number) {
        self.0 = self.0.saturating_add(number.0);
    }

    pub(crate) fn total(self) -> Number {
        Number(self.0)
    }
}

/// The smallest number that is not exceeded by so many per cent of the numbers; between two numbers of the file
/// it is interpolated, as SQL's `percentile_cont` does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantile {
    /// From 0 to 100.
    pub percent: u32,
    /// The number.
    pub value: Number,
}

/// Numbers within a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Range {
    /// Such as `50-100`: from 50, below 100.
    pub range: String,
    /// How many.
    pub rows: u64,
    /// Of all numbers.
    pub percent: f64,
}

/// What is known of the numbers of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// How many there are.
    pub count: u64,
    /// Their sum.
    pub sum: Number,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, that of a sample; null for less than two.
    pub stddev: Option<f64>,
    /// Minimum, percentiles, maximum.
    pub quantiles: Vec<Quantile>,
    /// The percentiles are off by no more than so many per cent of their value; null when they are exact.
    pub quantile_error_percent: Option<f64>,
}

/// Numbers as they come.
pub(crate) struct Numbers {
    exact: HashMap<i128, u64>,
    /// Buckets whose width is a fixed part of their numbers, once there are too many (Masson, Rim and Lee, 2019).
    sketch: Option<BTreeMap<i32, u64>>,
    count: u64,
    sum: Sum,
    mean: f64,
    squares: f64,
    least: Number,
    greatest: Number,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            sketch: None,
            count: 0,
            sum: Sum::default(),
            mean: 0.0,
            squares: 0.0,
            least: Number(i128::MAX),
            greatest: Number(i128::MIN),
        }
    }
}

impl Numbers {
    pub(crate) fn add(&mut self, number: Number) {
        self.count += 1;
        self.sum.add(number);
        // Welford's way keeps the digits that a sum of squares loses
        let delta = number.as_f64() - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (number.as_f64() - self.mean);
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
        match &mut self.sketch {
            Some(sketch) => *sketch.entry(bucket(number)).or_default() += 1,
            None => {
                *self.exact.entry(number.0).or_default() += 1;
                if self.exact.len() > DISTINCT {
                    let sketch = self.sketch.insert(BTreeMap::new());
                    for (number, count) in self.exact.drain() {
                        *sketch.entry(bucket(Number(number))).or_default() += count;
                    }
                    self.exact.shrink_to_fit();
                }
            }
        }
    }

    /// None without numbers.
    pub(crate) fn statistics(&self) -> Option<Statistics> {
        if self.count == 0 {
            return None;
        }
        let ranked = self.ranked();
        let quantiles = [0, 1, 5, 25, 50, 75, 95, 99, 100].map(|percent| {
            let value = match percent {
                0 => self.least,
                100 => self.greatest,
                percent => quantile(&ranked, self.count, percent).clamp(self.least, self.greatest),
            };
            Quantile { percent, value }
        });
        let variance = (self.count > 1).then(|| self.squares / (self.count - 1) as f64);
        Some(Statistics {
            count: self.count,
            sum: self.sum.total(),
            mean: self.sum.total().as_f64() / self.count as f64,
            stddev: variance.map(f64::sqrt),
            quantiles: quantiles.into(),
            quantile_error_percent: self.sketch.as_ref().map(|_| ERROR * 100.0),
        })
    }

    /// Every number, or the middle of every bucket, with its count, in order.
    fn ranked(&self) -> Vec<(Number, u64)> {
        if let Some(sketch) = &self.sketch {
            return sketch.iter().map(|(&bucket, &count)| (middle(bucket), count)).collect();
        }
        let mut ranked: Vec<_> = self.exact.iter().map(|(&number, &count)| (Number(number), count)).collect();
        ranked.sort_unstable();
        ranked
    }
}

fn quantile(ranked: &[(Number, u64)], count: u64, percent: u32) -> Number {
    let place = u128::from(count - 1) * u128::from(percent);
    let (below, rest) = ((place / 100) as u64, (place % 100) as i128);
    let at = |rank: u64| {
        let mut before = 0;
        let found = ranked.iter().find(|(_, count)| {
            before += count;
            before > rank
        });
        found.map_or(0, |(number, _)| number.0)
    };
    let low = at(below);
    let high = if rest == 0 { low } else { at(below + 1) };
    Number(low + (high - low) * rest / 100)
}

/// Bucket `n` above 0 holds the billionths over `growth^(n-1)` up to `growth^n`, bucket `-n` the same below zero.
fn bucket(number: Number) -> i32 {
    if number.0 == 0 {
        return 0;
    }
    let place = ((number.0.unsigned_abs() as f64).ln() / growth().ln()).ceil() as i32 + 1;
    if number.0 < 0 { -place } else { place }
}

/// The number that is off by the same part from both ends of a bucket.
fn middle(bucket: i32) -> Number {
    if bucket == 0 {
        return Number(0);
    }
    let middle = (2.0 * growth().powi(bucket.abs() - 1) / (growth() + 1.0)).round() as i128;
    Number(if bucket < 0 { -middle } else { middle })
}

fn growth() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

/// The ranges that prices are told by, in whole units: from the first up to below the second.
const RANGES: [(i64, i64); 5] = [(0, 50), (50, 100), (100, 200), (200, 500), (500, 1_000)];

/// Counts prices by range.
#[derive(Default)]
pub(crate) struct Ranges([u64; RANGES.len() + 2]);

impl Ranges {
    pub(crate) fn add(&mut self, price: Number) {
        let place = if price.0 < 0 {
            0
        } else {
            1 + RANGES.iter().position(|(_, to)| price.0 < i128::from(*to) * NANO).unwrap_or(RANGES.len())
        };
        self.0[place] += 1;
    }

    /// Prices below zero are told only where there are any.
    pub(crate) fn shares(&self) -> Vec<Range> {
        let names = std::iter::once("below 0".to_owned())
            .chain(RANGES.iter().map(|(from, to)| format!("{from}-{to}")))
            .chain(["1000+".to_owned()]);
        let all = self.0.iter().sum();
        let share = |(range, &rows)| Range { range, rows, percent: crate::values::percent(rows, all) };
        names.zip(&self.0).map(share).filter(|share| share.rows > 0 || share.range != "below 0").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_are_read_and_written_by_their_digits() {
        for text in ["0", "12", "-3.5", "0.1", "1234567890123456789.000000001", "-0.25"] {
            assert_eq!(number(text).to_string(), text);
        }
        assert_eq!(number("10.50").to_string(), "10.5");
        for text in ["", "-", ".5", "5.", "1e3", "1,5", "$5", "1.0000000001", "12345678901234567890", "NaN", " 1"] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn quantiles_of_few_numbers_are_exact_and_interpolated() {
        let mut numbers = Numbers::default();
        for text in ["4", "1", "3", "2.5"] {
            numbers.add(number(text));
        }
        let statistics = numbers.statistics().unwrap();
        let at = |percent| statistics.quantiles.iter().find(|q| q.percent == percent).unwrap().value.to_string();
        assert_eq!([at(0), at(25), at(50), at(75), at(100)], ["1", "2.125", "2.75", "3.25", "4"]);
        assert_eq!((statistics.sum.to_string().as_str(), statistics.mean), ("10.5", 2.625));
        // the squared deviations 2.640625, 0.015625, 0.140625 and 1.890625 sum up to 4.6875
        assert!((statistics.stddev.unwrap() - 1.25).abs() < 1e-12);
        assert_eq!(statistics.quantile_error_percent, None);
    }

    #[test]
    fn quantiles_of_many_numbers_are_off_by_no_more_than_is_said() {
        let mut numbers = Numbers::default();
        for n in 0..200_000_i128 {
            numbers.add(Number((n * 7_919 % 200_000 - 50_000) * 10_000_000));
        }
        let statistics = numbers.statistics().unwrap();
        let error = statistics.quantile_error_percent.unwrap() / 100.0;
        assert!(numbers.exact.is_empty() && numbers.sketch.as_ref().unwrap().len() < 5_000);
        for Quantile { percent, value } in &statistics.quantiles {
            let truth = (199_999.0 * f64::from(*percent) / 100.0 - 50_000.0) / 100.0;
            assert!((value.as_f64() - truth).abs() <= truth.abs() * error + 0.01, "{percent}: {value} for {truth}");
        }
    }

    #[test]
    fn a_price_is_in_the_range_that_begins_with_it() {
        let mut ranges = Ranges::default();
        for price in ["0", "49.99", "50", "199.99", "1000", "-1"] {
            ranges.add(number(price));
        }
        let shares: Vec<_> = ranges.shares().into_iter().map(|share| (share.range, share.rows)).collect();
        let expected =
            [("below 0", 1), ("0-50", 2), ("50-100", 1), ("100-200", 1), ("200-500", 0), ("500-1000", 0), ("1000+", 1)];
        assert_eq!(shares, expected.map(|(range, rows)| (range.to_owned(), rows)));
    }
}
