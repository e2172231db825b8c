//! The moments at which events are due. Knows no clock: it is told what time it is.

use std::time::{Duration, Instant};

/// After a pause that was not its own, longer than this, it does not hurry to make up for it.
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// Keeps to a number of events a second, which may change, from the first event on. A delay is made up for, so
/// that it is exact over any longer time.
#[derive(Debug, Default)]
pub struct Beat {
    since: Option<Instant>,
    /// From `since` until the next event is due.
    seconds: f64,
}

impl Beat {
    /// Whether the next event is not due yet.
    pub fn is_early(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| now < due)
    }

    /// How long to sleep now: till it is time, but not so long that an order to stop is missed.
    pub fn nap(&self, now: Instant) -> Duration {
        let left = self.due().map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        left.clamp(Duration::from_micros(500), Duration::from_millis(20))
    }

    /// An event has been sent; the next one is due at `rate` events a second.
    pub fn count(&mut self, now: Instant, rate: f64) {
        if self.due().is_none_or(|due| now.saturating_duration_since(due) > LONGEST_DELAY) {
            (self.since, self.seconds) = (Some(now), 0.0);
        }
        self.seconds += 1.0 / rate;
    }

    fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + Duration::from_secs_f64(self.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many events are sent in a time by someone who looks every `step`.
    fn sent_in(time: Duration, step: Duration, rate: f64) -> u32 {
        let start = Instant::now();
        let mut beat = Beat::default();
        let (mut now, mut sent) = (start, 0);
        while now < start + time {
            while !beat.is_early(now) {
                beat.count(now, rate);
                sent += 1;
            }
            now += step;
        }
        sent
    }

    #[test]
    fn it_is_exact_however_rarely_it_is_asked() {
        let ten_seconds = Duration::from_secs(10);
        for rate in [1.0, 3.0, 100.0, 997.0, 50_000.0] {
            for step in [1, 7, 20].map(Duration::from_millis) {
                let sent = f64::from(sent_in(ten_seconds, step, rate));
                let most_in_a_step = rate * step.as_secs_f64() + 1.0;
                assert!((sent - rate * 10.0).abs() <= most_in_a_step, "{sent} at {rate} every {step:?}");
            }
        }
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_not() {
        let start = Instant::now();
        let mut beat = Beat::default();
        beat.count(start, 10.0);
        let late = start + Duration::from_millis(550);
        let mut made_up = 0;
        while !beat.is_early(late) {
            beat.count(late, 10.0);
            made_up += 1;
        }
        assert_eq!(made_up, 5);
        let much_later = late + Duration::from_secs(60);
        beat.count(much_later, 10.0);
        assert!(beat.is_early(much_later));
    }

    #[test]
    fn the_rate_may_change_from_event_to_event() {
        let start = Instant::now();
        let mut beat = Beat::default();
        beat.count(start, 1.0);
        beat.count(start + Duration::from_secs(1), 2.0);
        assert!(beat.is_early(start + Duration::from_millis(1_499)));
        assert!(!beat.is_early(start + Duration::from_millis(1_501)));
    }

    #[test]
    fn a_nap_is_short_enough_to_hear_an_order_to_stop() {
        let start = Instant::now();
        let mut beat = Beat::default();
        beat.count(start, 0.1);
        assert_eq!(beat.nap(start), Duration::from_millis(20));
        assert_eq!(beat.nap(start + Duration::from_secs(20)), Duration::from_micros(500));
    }
}
