//! How far publishing may run ahead of storing, so that live events, which queue behind ours, are
//! stored soon. Knows no clock, no Kafka and no database: it is told what was observed.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// For each partition the offset after the last message that is acknowledged, or stored.
pub(crate) type Ends = BTreeMap<i32, i64>;

/// Messages that are published and not stored yet should take no longer than this to store. Added
/// to a batch's own time, a live event then still is stored within three seconds.
const AHEAD: Duration = Duration::from_millis(1_300);

/// A message that waits longer than this to be stored stops publishing whatever the rate.
const LONGEST_WAIT: Duration = Duration::from_millis(1_800);

/// The rate of storing is the mean over this time: several batches of a consumer under load.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Messages on their way before a rate is known, and at the least.
const SMALLEST_WINDOW: u64 = 2_000;

/// Twice as many each time that all of them were stored when we looked, for a fast consumer to show how
/// fast it is; but no more once one had to wait as long as this.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// Watches what is acknowledged and stored, and says how much more may be published.
pub(crate) struct Pace {
    /// What was acknowledged when, oldest first; only what is not stored yet.
    waiting: VecDeque<(Instant, Ends)>,
    /// The sum of the stored ends over the last [`RATE_WINDOW`] or longer, oldest first.
    stored: VecDeque<(Instant, i64)>,
    /// Since when nothing that waits was stored.
    still_since: Instant,
    /// What a consumer has stored at once so far, and more: the window before the rate tells.
    burst: u64,
    /// The sum of the acknowledged ends.
    acknowledged: i64,
}

/// What follows from an observation.
#[derive(Debug, PartialEq)]
pub(crate) struct Advice {
    /// So many messages may be published on top of those that are.
    pub(crate) allowance: u64,
    /// How long the oldest acknowledged message that is not stored has been waiting.
    pub(crate) ahead: Duration,
    /// How long messages have been waiting without any being stored.
    pub(crate) still: Duration,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            stored: VecDeque::new(),
            still_since: now,
            burst: SMALLEST_WINDOW,
            acknowledged: 0,
        }
    }

    /// Takes in what is acknowledged and stored `now`, and how many messages are on their way to be
    /// acknowledged.
    pub(crate) fn observe(&mut self, now: Instant, in_flight: u64, acknowledged: &Ends, stored: &Ends) -> Advice {
        if self.waiting.back().is_none_or(|(_, newest)| newest != acknowledged) && !all_stored(acknowledged, stored) {
            self.waiting.push_back((now, acknowledged.clone()));
        }
        while self.waiting.front().is_some_and(|(_, ends)| all_stored(ends, stored)) {
            self.waiting.pop_front();
        }
        let ahead = self.waiting.front().map_or(Duration::ZERO, |(since, _)| now - *since);

        let sum = stored.values().sum();
        if ahead.is_zero() || self.stored.back().is_none_or(|(_, before)| *before != sum) {
            self.still_since = now;
        }
        self.stored.push_back((now, sum));
        while self.stored.get(1).is_some_and(|(at, _)| now - *at >= RATE_WINDOW) {
            self.stored.pop_front();
        }

        let behind: i64 = acknowledged.iter().map(|(p, end)| (end - stored.get(p).unwrap_or(&0)).max(0)).sum();
        let newly =
            acknowledged.values().sum::<i64>() - std::mem::replace(&mut self.acknowledged, acknowledged.values().sum());
        if self.waiting.is_empty() && newly as u64 >= self.burst / 2 {
            self.burst = self.burst.saturating_mul(2);
        } else if ahead > SHORT_WAIT {
            self.burst = SMALLEST_WINDOW;
        }
        let window = (self.rate(now) * AHEAD.as_secs_f64()) as u64;
        let allowance =
            if ahead > LONGEST_WAIT { 0 } else { window.max(self.burst).saturating_sub(in_flight + behind as u64) };
        Advice { allowance, ahead, still: now - self.still_since }
    }

    /// Messages stored a second.
    fn rate(&self, now: Instant) -> f64 {
        let (Some((since, first)), Some((_, last))) = (self.stored.front(), self.stored.back()) else {
            return 0.0;
        };
        let seconds = (now - *since).as_secs_f64();
        if seconds > 0.0 { (last - first) as f64 / seconds } else { 0.0 }
    }
}

/// Whether every acknowledged message is stored.
pub(crate) fn all_stored(acknowledged: &Ends, stored: &Ends) -> bool {
    acknowledged.iter().all(|(partition, end)| stored.get(partition).is_some_and(|next| next >= end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// A publisher that takes all it may, up to `publish` a tick, and a consumer that stores
    /// `store(tick)` a tick; what is left unstored after each tick.
    fn run(ticks: u32, publish: u64, store: impl Fn(u32) -> u64) -> Vec<(u64, Advice)> {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut published, mut stored) = (0, 0);
        (0..ticks)
            .map(|tick| {
                stored = published.min(stored + store(tick));
                let ends = |count: u64| Ends::from([(0, count as i64)]);
                let advice = pace.observe(start + TICK * tick, 0, &ends(published), &ends(stored));
                published += advice.allowance.min(publish);
                (published - stored, advice)
            })
            .collect()
    }

    #[test]
    fn without_a_consumer_the_smallest_window_is_all_that_is_published() {
        let run = run(100, 40_000, |_| 0);
        assert!(run.iter().all(|(waiting, _)| *waiting == SMALLEST_WINDOW));
        assert_eq!(run[99].1.still, TICK * 98);
    }

    #[test]
    fn a_slow_publisher_without_a_consumer_stops_after_two_seconds() {
        let run = run(100, 10, |_| 0);
        let (waiting, advice) = &run[99];
        assert!((180..=210).contains(waiting), "{waiting}");
        assert_eq!(advice.allowance, 0);
    }

    #[test]
    fn the_window_grows_to_what_the_consumer_stores_in_the_time_that_live_events_may_wait() {
        let run = run(100, 40_000, |_| 10_000);
        for (tick, (waiting, _)) in run.iter().enumerate() {
            assert!(*waiting <= 150_000, "tick {tick}: {waiting}");
        }
        for (tick, (waiting, advice)) in run.iter().enumerate().skip(30) {
            assert!((110_000..=140_000).contains(waiting), "tick {tick}: {waiting}");
            assert!(advice.ahead < Duration::from_millis(1_600), "tick {tick}: {advice:?}");
        }
    }

    #[test]
    fn a_consumer_that_stores_in_great_batches_never_runs_dry() {
        // all that was stored in 0.6 s at once
        let run = run(200, 40_000, |tick| if tick % 6 == 0 { 60_000 } else { 0 });
        for (tick, (waiting, _)) in run.iter().enumerate().skip(60) {
            assert!((60_000..=160_000).contains(waiting), "tick {tick}: {waiting}");
        }
    }

    #[test]
    fn a_fast_consumer_is_filled_within_a_second() {
        let run = run(20, 40_000, |_| 20_000);
        let published: u64 = run.iter().take(10).map(|(waiting, _)| *waiting).max().unwrap_or_default();
        assert!(published >= 20_000, "{run:?}");
        assert!(run.iter().all(|(_, advice)| advice.ahead < LONGEST_WAIT), "{run:?}");
    }

    #[test]
    fn a_consumer_that_comes_back_is_filled_again() {
        let run = run(200, 40_000, |tick| if (50..100).contains(&tick) { 0 } else { 5_000 });
        assert_eq!(run[99].1.allowance, 0);
        let (waiting, advice) = &run[199];
        assert!((50_000..=70_000).contains(waiting), "{waiting}");
        assert!(advice.still.is_zero());
    }

    #[test]
    fn messages_of_others_that_lie_before_ours_count_as_waiting() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let advice = pace.observe(start, 500, &Ends::from([(0, 100), (1, 50)]), &Ends::from([(0, 90)]));
        assert_eq!(advice.allowance, SMALLEST_WINDOW - 500 - 10 - 50);
        let advice = pace.observe(start + TICK, 0, &Ends::from([(0, 9_000)]), &Ends::from([(0, 90)]));
        assert_eq!(advice.allowance, 0);
    }

    #[test]
    fn all_is_stored_when_every_partition_has_reached_our_last_message() {
        let acknowledged = Ends::from([(0, 10), (3, 5)]);
        assert!(!all_stored(&acknowledged, &Ends::from([(0, 10)])));
        assert!(!all_stored(&acknowledged, &Ends::from([(0, 10), (3, 4)])));
        assert!(all_stored(&acknowledged, &Ends::from([(0, 12), (3, 5), (4, 0)])));
        assert!(all_stored(&Ends::new(), &Ends::new()));
    }
}
