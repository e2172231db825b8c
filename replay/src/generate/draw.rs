//! What each user did, and when: drawn at random until nothing of the plan is left.

use std::io::{self, Write};

use super::plan::*;
use super::rows::Rows;

/// How busy the hours of a day are, from midnight on.
const HOURS: [u64; 24] = [12, 8, 5, 4, 4, 6, 12, 20, 28, 34, 38, 40, 42, 42, 41, 41, 42, 45, 50, 56, 60, 54, 38, 22];

/// Writes down what the plan holds, in an order and at times drawn at random.
///
/// Everything is drawn without putting back, so the numbers come out exactly, and nothing but the
/// numbers that are left is kept.
pub(super) struct Draw<'w, W> {
    random: Random,
    plan: Plan,
    rows: Rows<'w, W>,
    /// The first and the last published time, until a row has taken them.
    first_time: Option<u32>,
    last_time: Option<u32>,
}

impl<'w, W: Write> Draw<'w, W> {
    /// The same seed draws the same.
    pub(super) fn new(seed: u64, plan: Plan, rows: Rows<'w, W>) -> Self {
        Self { random: Random(seed), plan, rows, first_time: Some(FIRST_TIME), last_time: Some(LAST_TIME) }
    }

    /// Writes the whole file.
    pub(super) fn all(&mut self) -> io::Result<()> {
        let [desktop, mobile] = [&self.plan.sites[DESKTOP], &self.plan.sites[MOBILE]].map(|site| site.users);
        let both = self.plan.users_of_both;
        let mut kinds = [desktop - both, mobile - both, both];
        let mut user = FIRST_USER;
        if self.plan.begins_with_click {
            kinds[DESKTOP] -= 1;
            self.plan.sites[DESKTOP].users -= 1;
            let (time, _) = self.moment(false);
            self.rows.next_user(user);
            self.rows.next_page();
            self.rows.write(DESKTOP, CLICK, SNEAKERS, time)?;
            user += 1;
        }
        while kinds.iter().any(|left| *left > 0) {
            let kind = self.random.pick(&mut kinds);
            self.rows.next_user(user);
            user += 1;
            if kind != MOBILE {
                self.visit(DESKTOP)?;
            }
            if kind != DESKTOP {
                self.visit(MOBILE)?;
            }
        }
        self.rows.flush()
    }

    /// All that one user does on one site version: a show, and then what falls to them of the rest.
    fn visit(&mut self, site: usize) -> io::Result<()> {
        let shows_are_left = self.plan.sites[site].has_shows();
        let mut before = self.act(site, !shows_are_left, None)?;
        self.plan.sites[site].users -= 1;
        loop {
            // the rest is a row of extras cut into pieces, one a user, every way of cutting it being
            // as likely as any other
            let Site { users, extras, orders, .. } = &self.plan.sites[site];
            let (users, extras, orders) = (*users, *extras, orders.iter().sum::<u64>());
            if extras == 0 || self.random.below(users + extras) >= extras {
                return Ok(());
            }
            let is_order = self.random.below(extras) < orders;
            self.plan.sites[site].extras -= 1;
            before = self.act(site, is_order, Some(before))?;
        }
    }

    /// One order, or one show with the click on it where there is one; `before` is when the user was
    /// here last. Returns when it was.
    fn act(&mut self, site: usize, is_order: bool, before: Option<u32>) -> io::Result<u32> {
        let left = &mut self.plan.sites[site];
        if is_order {
            let product = self.random.pick(&mut left.orders);
            let (time, _) = self.moment_after(before, false);
            self.rows.write(site, ORDER, product, time)?;
            return Ok(time);
        }
        let (quiet, clicked): (u64, u64) = (left.quiet_shows.iter().sum(), left.clicked_shows.iter().sum());
        let is_clicked = self.random.below(quiet + clicked) < clicked;
        let product = self.random.pick(if is_clicked { &mut left.clicked_shows } else { &mut left.quiet_shows });
        let (time, click_time) = self.moment_after(before, is_clicked);
        self.rows.next_page();
        self.rows.write(site, SHOW, product, time)?;
        if is_clicked {
            self.rows.write(site, CLICK, product, click_time)?;
        }
        Ok(time)
    }

    /// A time for one row, or for a show and its click, of a user who was here `before`: often in the
    /// same visit, a few minutes later.
    fn moment_after(&mut self, before: Option<u32>, with_click: bool) -> (u32, u32) {
        if let Some(before) = before
            && self.random.below(100) < 35
        {
            let time = before + 15 + self.random.below(585) as u32;
            let month = month_of(before);
            let rows = 1 + u64::from(with_click);
            if time < month_end(month) && time <= LAST_TIME && self.plan.months[month] >= rows {
                self.plan.months[month] -= rows;
                return (time, self.click_time(time));
            }
        }
        self.moment(with_click)
    }

    /// A time for one row, or for a show and its click.
    fn moment(&mut self, with_click: bool) -> (u32, u32) {
        if !with_click {
            let month = self.random.pick(&mut self.plan.months);
            let exact = match month {
                0 => self.first_time.take(),
                4 => self.last_time.take(),
                _ => None,
            };
            let time = exact.unwrap_or_else(|| self.time_in(month));
            return (time, time);
        }
        let mut pairs = self.plan.months.map(|left| if left < 2 { 0 } else { left });
        if pairs.iter().any(|left| *left > 0) {
            let month = self.random.pick(&mut pairs);
            self.plan.months[month] -= 2;
            let time = self.time_in(month);
            return (time, self.click_time(time));
        }
        // the very last rows: one is left in each of two months
        let mut months = [0, 1].map(|_| self.random.pick(&mut self.plan.months));
        months.sort_unstable();
        (self.time_in(months[0]), self.time_in(months[1]))
    }

    /// A time in a month by the rhythm of the day.
    fn time_in(&mut self, month: usize) -> u32 {
        let day = self.random.below(MONTH_DAYS[month].into()) as u32;
        let mut hours = HOURS;
        let hour = self.random.pick(&mut hours) as u32;
        let second = self.random.below(3_600) as u32;
        (month_end(month) - (day + 1) * DAY + hour * 3_600 + second).clamp(FIRST_TIME, LAST_TIME)
    }

    /// A minute or so after the show, in the same month.
    fn click_time(&mut self, show: u32) -> u32 {
        let time = show + 2 + self.random.below(90) as u32;
        time.min(month_end(month_of(show)) - 1).min(LAST_TIME)
    }
}

fn month_end(month: usize) -> u32 {
    MONTH_DAYS[..=month].iter().sum::<u32>() * DAY
}

fn month_of(time: u32) -> usize {
    (0..MONTHS.len()).find(|&month| time < month_end(month)).unwrap_or(MONTHS.len() - 1)
}

/// `SplitMix64`, by Steele, Lea and Flood: small, fast, and the same for ever, which the standard
/// generators of libraries do not promise.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A place, likely in proportion to what is left there, which becomes one less. Not all may be 0.
    pub(super) fn pick(&mut self, left: &mut [u64]) -> usize {
        let mut ticket = self.below(left.iter().sum());
        for (place, count) in left.iter_mut().enumerate() {
            if ticket < *count {
                *count -= 1;
                return place;
            }
            ticket -= *count;
        }
        unreachable!("a ticket is less than the sum")
    }
}
