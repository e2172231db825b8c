//! From what is counted of segments to windows: whatever overlaps is counted once and summed up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::types::BigDecimal;

use super::grid::{Grid, Window};

/// The value that windows are grouped by; events without one come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    is_none: bool,
    value: Option<Arc<str>>,
}

impl Group {
    pub(crate) fn new(value: Option<&str>) -> Self {
        Self { is_none: value.is_none(), value: value.map(Arc::from) }
    }

    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// What is counted of a segment: the events of a group whose revenue is in one currency, or that have none.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) segment: i64,
    pub(crate) group: Group,
    pub(crate) events: i64,
    pub(crate) orders: i64,
    /// Currency and sum.
    pub(crate) revenue: Option<(String, BigDecimal)>,
}

/// The events of a group in a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counted {
    pub(crate) window: Window,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) group: Group,
    pub(crate) events: i64,
    pub(crate) orders: i64,
    pub(crate) amount: BTreeMap<String, String>,
}

/// Where a page ended: the start, the group and the [`key`](Grid::key) of its last window.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) struct Place(pub(crate) DateTime<Utc>, pub(crate) Group, pub(crate) i64);

/// So many pieces may be within one window: some hundred megabytes.
pub(crate) const MOST_PIECES: usize = 1_000_000;

/// One window holds more than can be held at a time.
#[derive(Debug)]
pub(crate) struct TooMuch;

/// Slides over pieces that come in the order of their segments, and gives the windows with events in the
/// order of their starts, then their groups.
pub(crate) struct Slide<'g> {
    grid: &'g Grid,
    after: Option<Place>,
    most: usize,
    pieces: VecDeque<Piece>,
    /// So many of the pieces, from the first on, are in the window.
    inside: usize,
    groups: BTreeMap<Group, Sums>,
    window: Option<Window>,
    rows: Vec<Counted>,
    /// Where in the rows those of windows begin that start at the same instant.
    tied_from: usize,
    is_full: bool,
}

impl<'g> Slide<'g> {
    /// The first `most` rows that come after a place.
    pub(crate) fn new(grid: &'g Grid, after: Option<Place>, most: usize) -> Self {
        Self {
            grid,
            after,
            most,
            pieces: VecDeque::new(),
            inside: 0,
            groups: BTreeMap::new(),
            window: None,
            rows: Vec::new(),
            tied_from: 0,
            is_full: false,
        }
    }

    /// Takes the next piece.
    pub(crate) fn take(&mut self, piece: Piece) -> Result<(), TooMuch> {
        self.reach(piece.segment);
        if self.pieces.len() == MOST_PIECES {
            return Err(TooMuch);
        }
        self.pieces.push_back(piece);
        Ok(())
    }

    /// There are no more pieces of segments before this one.
    pub(crate) fn reach(&mut self, segment: i64) {
        while !self.is_full
            && let Some(first) = self.pieces.front()
            && let Some(window) = self.grid.next(self.window, first.segment)
            && window.to <= segment
        {
            self.leave(window.from);
            self.enter(window.to);
            self.show(window);
            if let Some(next) = self.grid.next(Some(window), window.from) {
                self.leave(next.from);
            }
            self.window = Some(window);
        }
    }

    /// Whether there are as many rows as are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether there are no rows yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, when no more pieces come.
    pub(crate) fn finish(mut self) -> Vec<Counted> {
        self.reach(i64::MAX);
        self.rows
    }

    /// Counts the pieces of the segments before this one in.
    fn enter(&mut self, segment: i64) {
        while let Some(piece) = self.pieces.get(self.inside)
            && piece.segment < segment
        {
            self.groups.entry(piece.group.clone()).or_default().add(piece);
            self.inside += 1;
        }
    }

    /// Lets the pieces of the segments before this one go.
    fn leave(&mut self, segment: i64) {
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.segment < segment) {
            if self.inside == 0 {
                continue;
            }
            self.inside -= 1;
            if let Some(sums) = self.groups.get_mut(&piece.group) {
                sums.subtract(&piece);
                if sums.events == 0 {
                    self.groups.remove(&piece.group);
                }
            }
        }
    }

    fn show(&mut self, window: Window) {
        let Some((start, end)) = self.grid.instant(window.from).zip(self.grid.instant(window.to)) else { return };
        if self.after.as_ref().is_some_and(|after| start < after.0) {
            return;
        }
        if self.rows.last().is_some_and(|row| row.start != start) {
            self.tied_from = self.rows.len();
        }
        let tied = self.grid.is_tied(window);
        let alone = !tied && self.tied_from == self.rows.len();
        let key = self.grid.key(window);
        for (group, sums) in &self.groups {
            let place = Place(start, group.clone(), key);
            if self.after.as_ref().is_some_and(|after| place <= *after) {
                continue;
            }
            if alone && self.rows.len() >= self.most {
                break;
            }
            let Place(start, group, _) = place;
            let (events, orders, amount) = (sums.events, sums.orders, sums.amount());
            self.rows.push(Counted { window, start, end, group, events, orders, amount });
        }
        self.rows[self.tied_from..].sort_by(|a, b| (&a.group, a.window.from).cmp(&(&b.group, b.window.from)));
        self.is_full = self.rows.len() >= self.most && !tied;
    }
}

/// What pieces come to together. Sums of each scale are kept apart, so that a sum has as many decimals as what
/// is in it, and none is left over from what has gone.
#[derive(Default)]
struct Sums {
    events: i64,
    orders: i64,
    revenue: BTreeMap<String, BTreeMap<i64, (usize, BigDecimal)>>,
}

impl Sums {
    fn add(&mut self, piece: &Piece) {
        self.events += piece.events;
        self.orders += piece.orders;
        if let Some((currency, amount)) = &piece.revenue {
            if !self.revenue.contains_key(currency) {
                self.revenue.insert(currency.clone(), BTreeMap::new());
            }
            if let Some(scales) = self.revenue.get_mut(currency) {
                let (pieces, sum) = scales.entry(amount.fractional_digit_count()).or_default();
                *pieces += 1;
                *sum += amount;
            }
        }
    }

    fn subtract(&mut self, piece: &Piece) {
        self.events -= piece.events;
        self.orders -= piece.orders;
        if let Some((currency, amount)) = &piece.revenue
            && let Some(scales) = self.revenue.get_mut(currency)
            && let Some((pieces, sum)) = scales.get_mut(&amount.fractional_digit_count())
        {
            *pieces -= 1;
            *sum -= amount;
            if *pieces == 0 {
                scales.remove(&amount.fractional_digit_count());
            }
            if scales.is_empty() {
                self.revenue.remove(currency);
            }
        }
    }

    fn amount(&self) -> BTreeMap<String, String> {
        let mut amounts = BTreeMap::new();
        for (currency, scales) in &self.revenue {
            let scale = scales.keys().next_back().copied().unwrap_or(0);
            let sum: BigDecimal = scales.values().map(|(_, sum)| sum).sum();
            amounts.insert(currency.clone(), sum.with_scale(scale).to_plain_string());
        }
        amounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(segment: i64, group: Option<&str>, revenue: Option<&str>) -> Piece {
        let revenue = revenue.map(|amount| ("USD".to_owned(), amount.parse().unwrap()));
        Piece { segment, group: Group::new(group), events: 1, orders: i64::from(revenue.is_some()), revenue }
    }

    fn slide(grid: &Grid, pieces: &[Piece], after: Option<Place>, most: usize) -> Vec<Counted> {
        let mut slide = Slide::new(grid, after, most);
        for piece in pieces {
            slide.take(piece.clone()).unwrap();
        }
        slide.finish()
    }

    /// Start, group, events and revenue.
    fn told(rows: &[Counted]) -> Vec<(i64, Option<&str>, i64, Option<&str>)> {
        rows.iter()
            .map(|row| {
                let usd = row.amount.get("USD").map(String::as_str);
                (row.start.timestamp(), row.group.value(), row.events, usd)
            })
            .collect()
    }

    #[test]
    fn what_leaves_a_window_leaves_nothing_behind() {
        let grid = Grid::clock(2, 1);
        let pieces = [
            piece(0, None, Some("1.50")),
            piece(1, None, Some("0.000")),
            piece(1, Some("a"), None),
            piece(9, None, None),
        ];
        let expected = [
            (-1, None, 1, Some("1.50")),
            (0, Some("a"), 1, None),
            (0, None, 2, Some("1.500")),
            (1, Some("a"), 1, None),
            (1, None, 1, Some("0.000")),
            (8, None, 1, None),
            (9, None, 1, None),
        ];
        assert_eq!(told(&slide(&grid, &pieces, None, 100)), expected);
    }

    #[test]
    fn pages_of_any_size_join() {
        let grid = Grid::clock(5, 2);
        let groups = [Some("b"), None, Some("a")];
        let mut pieces: Vec<Piece> =
            (0..60).map(|n| piece(n * n % 7 + n / 3 * 2, groups[n as usize % 3], None)).collect();
        pieces.sort_by_key(|piece| piece.segment);
        let all = slide(&grid, &pieces, None, usize::MAX);
        for most in 1..20 {
            let mut joined: Vec<Counted> = Vec::new();
            loop {
                let after = joined.last().map(|row| Place(row.start, row.group.clone(), grid.key(row.window)));
                let page = slide(&grid, &pieces, after, most);
                if page.is_empty() {
                    break;
                }
                joined.extend(page.into_iter().take(most));
            }
            assert_eq!(told(&joined), told(&all), "pages of {most}");
        }
    }

    #[test]
    fn more_than_can_be_held_is_refused_only_within_one_window() {
        let pieces = || (0..=MOST_PIECES as i64).map(|segment| piece(segment, None, None));
        let wide = Grid::clock(366 * 86_400, 1);
        let mut slide = Slide::new(&wide, None, usize::MAX);
        assert!(pieces().any(|piece| slide.take(Piece { segment: piece.segment / 100, ..piece }).is_err()));
        let narrow = Grid::clock(1, 1);
        let mut slide = Slide::new(&narrow, None, usize::MAX);
        assert!(pieces().all(|piece| slide.take(piece).is_ok()));
    }
}
