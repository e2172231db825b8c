//! Where windows lie.

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};

const MOST_DAYS: i64 = 366;

/// What days and months count from.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date of the calendar");

/// How long a window is, or how far the next one is from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Length {
    count: i64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Second,
    /// Days, weeks and months are those of a calendar.
    Day,
    Week,
    Month,
}

impl Length {
    /// Reads a number and a unit, such as `90s`, `15m`, `1h`, `7d`, `2w` or `3mo`: from a second to 366 days.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (unit, factor, most) = match &text[digits..] {
            "s" => (Unit::Second, 1, MOST_DAYS * 86_400),
            "m" => (Unit::Second, 60, MOST_DAYS * 1_440),
            "h" => (Unit::Second, 3_600, MOST_DAYS * 24),
            "d" => (Unit::Day, 1, MOST_DAYS),
            "w" => (Unit::Week, 1, MOST_DAYS / 7),
            "mo" => (Unit::Month, 1, 12),
            _ => return None,
        };
        let count = text[..digits].parse().ok().filter(|count| (1..=most).contains(count))?;
        Some(Self { count: factor * count, unit })
    }

    /// Seconds, if it is no length of the calendar.
    pub(crate) fn seconds(self) -> Option<i64> {
        (self.unit == Unit::Second).then_some(self.count)
    }

    /// Whether windows of this size, one each `advance`, leave nothing out.
    pub(crate) fn reaches(self, advance: Self) -> bool {
        if self.unit == advance.unit { self.count >= advance.count } else { self.days().0 >= advance.days().1 }
    }

    /// Of so many days it is at least and at most.
    fn days(self) -> (i64, i64) {
        match self.unit {
            Unit::Second => (self.count / 86_400, self.count / 86_400),
            Unit::Day => (self.count, self.count),
            Unit::Week => (7 * self.count, 7 * self.count),
            // the shortest ones: February, then with March and so on, and the longest: July and August
            Unit::Month => (
                [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334, 365][self.count as usize],
                [0, 31, 62, 92, 123, 153, 184, 215, 245, 276, 306, 337, 366][self.count as usize],
            ),
        }
    }

    /// The date of the calendar that is so much later.
    fn after(self, date: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            Unit::Second => None,
            Unit::Day => date.checked_add_days(Days::new(self.count as u64)),
            Unit::Week => date.checked_add_days(Days::new(7 * self.count as u64)),
            Unit::Month => date.checked_add_months(Months::new(self.count as u32)),
        }
    }

    /// The last date of its grid that is not after `date`: days count from 1970-01-01, weeks from Monday
    /// 1970-01-05, months from January 1970.
    fn floor(self, date: NaiveDate) -> Option<NaiveDate> {
        let since = |origin: NaiveDate, step: i64| {
            let beyond = (date - origin).num_days().rem_euclid(step);
            date.checked_sub_days(Days::new(beyond as u64))
        };
        match self.unit {
            Unit::Second => None,
            Unit::Day => since(EPOCH, self.count),
            Unit::Week => since(EPOCH + Days::new(4), 7 * self.count),
            Unit::Month => {
                use chrono::Datelike;
                let beyond =
                    (i64::from(date.year()) * 12 + i64::from(date.month0()) - 1970 * 12).rem_euclid(self.count);
                date.with_day(1)?.checked_sub_months(Months::new(beyond as u32))
            }
        }
    }
}

/// A window: the half-open run of segments that it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    number: i64,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// All windows of a question, and the segments between their starts and ends: what is counted of each
/// segment gives the windows, however they overlap. Windows and segments are numbered in the order of time.
#[derive(Debug)]
pub(crate) enum Grid {
    /// Aligned to the epoch; all in seconds.
    Clock { size: i64, advance: i64, segment: i64 },
    /// Windows of whole dates, in the order of these.
    Calendar { edges: Vec<Edge>, windows: Vec<Window> },
}

/// A date at which windows start or end, and the instant when it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) date: NaiveDate,
    pub(crate) instant: DateTime<Utc>,
}

impl Grid {
    pub(crate) fn clock(size: i64, advance: i64) -> Self {
        let (mut segment, mut rest) = (size, advance);
        while rest > 0 {
            (segment, rest) = (rest, segment % rest);
        }
        Self::Clock { size, advance, segment }
    }

    /// The windows that `dates` gave; the edges must be those of all of them, in their order.
    pub(crate) fn calendar(dates: &[(NaiveDate, NaiveDate)], edges: Vec<Edge>) -> Self {
        let place = |date: NaiveDate| edges.partition_point(|edge| edge.date < date) as i64;
        let windows = (0..)
            .zip(dates)
            .map(|(number, &(first, end))| Window { number, from: place(first), to: place(end) })
            .collect();
        Self::Calendar { edges, windows }
    }

    /// The first window after another one that ends after `segment` begins.
    pub(crate) fn next(&self, before: Option<Window>, segment: i64) -> Option<Window> {
        let least = before.map_or(i64::MIN, |before| before.number + 1);
        match self {
            &Self::Clock { size, advance, segment: unit } => {
                let (size, advance) = (size / unit, advance / unit);
                let number = least.max((segment - size).div_euclid(advance) + 1);
                Some(Window { number, from: number * advance, to: number * advance + size })
            }
            Self::Calendar { windows, .. } => {
                let from = usize::try_from(least).unwrap_or(0).min(windows.len());
                windows[from..].iter().find(|window| window.to > segment).copied()
            }
        }
    }

    /// When a segment begins, if the calendar goes so far.
    pub(crate) fn instant(&self, segment: i64) -> Option<DateTime<Utc>> {
        match self {
            Self::Clock { segment: unit, .. } => DateTime::from_timestamp(segment.checked_mul(*unit)?, 0),
            Self::Calendar { edges, .. } => Some(edges.get(usize::try_from(segment).ok()?)?.instant),
        }
    }

    /// The segment that a time is in, or the one that is next to it.
    pub(crate) fn segment(&self, time: DateTime<Utc>) -> i64 {
        match self {
            Self::Clock { segment: unit, .. } => time.timestamp().div_euclid(*unit),
            Self::Calendar { edges, .. } => (edges.partition_point(|edge| edge.instant <= time) as i64 - 1)
                .clamp(0, (edges.len() as i64 - 2).max(0)),
        }
    }

    /// Whether the next window starts at the same instant, as where the zone never had the date of one.
    pub(crate) fn is_tied(&self, window: Window) -> bool {
        let Self::Calendar { windows, .. } = self else { return false };
        windows.get(window.number as usize + 1).is_some_and(|next| self.instant(next.from) == self.instant(window.from))
    }

    /// By what a window is found again: its start in seconds from the epoch, or the number of its first date.
    pub(crate) fn key(&self, window: Window) -> i64 {
        match self {
            Self::Clock { segment, .. } => window.from * segment,
            Self::Calendar { edges, .. } => day_number(edges[window.from as usize].date),
        }
    }

    /// How many segments make up an hour, or more than that.
    pub(crate) fn segments_an_hour(&self) -> i64 {
        match self {
            Self::Clock { segment, .. } => (3_600 / segment).max(1),
            Self::Calendar { .. } => 1,
        }
    }

    /// Whether segments are made of whole quarters of an hour.
    pub(crate) fn is_of_quarters(&self) -> bool {
        match self {
            Self::Clock { segment, .. } => segment % 900 == 0,
            Self::Calendar { edges, .. } => edges.iter().all(|edge| edge.instant.timestamp_micros() % 900_000_000 == 0),
        }
    }
}

/// Days from the epoch to a date.
pub(crate) fn day_number(date: NaiveDate) -> i64 {
    (date - EPOCH).num_days()
}

/// The date of such a number, if there is one.
pub(crate) fn date_of(day_number: i64) -> Option<NaiveDate> {
    EPOCH.checked_add_signed(TimeDelta::try_days(day_number)?)
}

/// Whether windows that advance so start at a [`key`](Grid::key).
pub(crate) fn is_start(advance: Length, key: i64) -> bool {
    match advance.seconds() {
        Some(seconds) => key % seconds == 0,
        None => date_of(key).is_some_and(|date| advance.floor(date) == Some(date)),
    }
}

/// The windows of the calendar that hold one of these dates: their first date, and the one after their last.
pub(crate) fn dates(
    size: Length,
    advance: Length,
    first_day: NaiveDate,
    last_day: NaiveDate,
) -> Vec<(NaiveDate, NaiveDate)> {
    let mut dates = Vec::new();
    let mut start = first_day.checked_sub_days(Days::new(MOST_DAYS as u64)).and_then(|date| advance.floor(date));
    while let Some(date) = start
        && date <= last_day
    {
        let Some(end) = size.after(date) else { break };
        if end > first_day {
            dates.push((date, end));
        }
        start = advance.after(date);
    }
    dates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn length(text: &str) -> Length {
        Length::read(text).unwrap()
    }

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        assert_eq!(length("90s").seconds(), Some(90));
        assert_eq!(length("15m").seconds(), Some(900));
        assert_eq!(length("8784h").seconds(), Some(366 * 86_400));
        assert_eq!(length("1d").seconds(), None);
        for text in [
            "",
            "h",
            "1",
            "0s",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "1H",
            "1min",
            "367d",
            "53w",
            "13mo",
            "1y",
            "8785h",
            "٣h",
            "99999999999999999999s",
        ] {
            assert_eq!(Length::read(text), None, "{text}");
        }
    }

    #[test]
    fn calendars_count_from_their_origins() {
        for (size, first, expected) in [
            ("7d", "2019-03-01", ("2019-02-28", "2019-03-07")),
            ("2w", "2019-03-01", ("2019-02-25", "2019-03-11")),
            ("1w", "2019-03-03", ("2019-02-25", "2019-03-04")),
            ("3mo", "2019-03-31", ("2019-01-01", "2019-04-01")),
            ("5mo", "2019-03-01", ("2019-03-01", "2019-08-01")),
            ("1d", "1969-12-31", ("1969-12-31", "1970-01-01")),
        ] {
            let (first, size) = (date(first), length(size));
            assert_eq!(dates(size, size, first, first), [(date(expected.0), date(expected.1))]);
        }
    }

    #[test]
    fn hops_on_the_calendar_end_so_many_dates_later() {
        let windows = dates(length("1mo"), length("1w"), date("2019-02-03"), date("2019-02-04"));
        let expected = [
            ("2019-01-07", "2019-02-07"),
            ("2019-01-14", "2019-02-14"),
            ("2019-01-21", "2019-02-21"),
            ("2019-01-28", "2019-02-28"),
            ("2019-02-04", "2019-03-04"),
        ];
        assert_eq!(windows, expected.map(|(first, end)| (date(first), date(end))));
    }

    #[test]
    fn an_advance_that_may_be_longer_than_the_size_does_not_do() {
        for (size, advance, reaches) in [
            ("1h", "1h", true),
            ("1h", "61m", false),
            ("1w", "1d", true),
            ("1w", "8d", false),
            ("4w", "1mo", false),
            ("1mo", "28d", true),
            ("1mo", "29d", false),
            ("12mo", "365d", true),
            ("366d", "12mo", true),
        ] {
            assert_eq!(length(size).reaches(length(advance)), reaches, "{size} each {advance}");
        }
    }

    #[test]
    fn windows_by_the_clock_are_aligned_to_the_epoch() {
        let grid = Grid::clock(3_600, 1_500);
        let time: DateTime<Utc> = "2019-03-01T10:59:59.9Z".parse().unwrap();
        let segment = grid.segment(time);
        let mut windows = Vec::new();
        let mut window = grid.next(None, segment);
        while let Some(found) = window
            && found.from <= segment
        {
            windows.push((grid.instant(found.from).unwrap(), grid.instant(found.to).unwrap()));
            window = grid.next(window, segment);
        }
        let expected = (0..)
            .map(|number| 1_500 * number)
            .skip_while(|start| start + 3_600 <= time.timestamp())
            .take_while(|start| *start <= time.timestamp())
            .map(|start| (start, start + 3_600))
            .map(|(start, end): (i64, i64)| {
                (DateTime::from_timestamp(start, 0).unwrap(), DateTime::from_timestamp(end, 0).unwrap())
            });
        assert_eq!(windows, expected.collect::<Vec<_>>());
    }
}
