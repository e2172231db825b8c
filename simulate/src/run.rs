//! When events occur, and on to Kafka.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use replay::{Beat, Publisher};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::progress::Progress;
use crate::{Config, Profile, Summary, Traffic, traffic};

/// While Kafka has to take others first, it is tried again this often.
const NAP: Duration = Duration::from_millis(5);

/// Told to stop, it waits so long for what Kafka has not acknowledged yet.
const GRACE: Duration = Duration::from_secs(5);

/// Publishes events until there have been as many as asked for, time has caught up with `--start`, or `token` is
/// cancelled, which is no error; then says what was published, once Kafka has acknowledged it.
///
/// Fails when a file or a time is not usable, before anything is published, and when Kafka is away for long.
pub async fn run(config: &Config, token: CancellationToken) -> anyhow::Result<Summary> {
    if let Some(start) = config.start
        && !(EARLIEST..=Utc::now()).contains(&start)
    {
        bail!("--start {} is not between 2000-01-01 and now, when events may occur", start.to_rfc3339());
    }
    // 32 bits survive any reader of JSON
    let seed = config.seed.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0));
    let traffic = traffic(config, seed)?;
    if let Some(ready) = token.run_until_cancelled(config.kafka.ensure_topic()).await {
        ready?;
    }
    let simulation = Simulation {
        profile: config.profile,
        seed,
        rate: config.rate.map(|rate| rate.get().into()),
        count: config.count.unwrap_or(u64::MAX),
        clock: Clock { next: config.start, last: None },
        progress: (!config.quiet).then(|| Progress::begin(config.profile, seed)),
        publisher: Publisher::new(&config.kafka)?,
        traffic,
    };
    spawn_blocking(move || simulation.run(&token)).await?
}

/// The consumer takes no event that occurred before.
const EARLIEST: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).expect("2000-01-01 is a date");

struct Simulation {
    profile: Profile,
    seed: u64,
    traffic: Box<dyn Traffic>,
    /// Events a second, unless at the traffic's own pace.
    rate: Option<f64>,
    count: u64,
    clock: Clock,
    publisher: Publisher,
    progress: Option<Progress>,
}

impl Simulation {
    fn run(mut self, token: &CancellationToken) -> anyhow::Result<Summary> {
        let mut beat = Beat::default();
        let mut json = Vec::new();
        let mut span: Option<(Instant, Instant)> = None;
        'events: while self.publisher.sent() < self.count && !token.is_cancelled() {
            let now = Instant::now();
            if beat.is_early(now) {
                self.publisher.settle()?;
                self.show(now);
                thread::sleep(beat.nap(now));
                continue;
            }
            let Some((occurred_at, pace)) = self.clock.tick(Utc::now(), |at| self.traffic.pace(at)) else { break };
            let event = self.traffic.next(occurred_at);
            json.clear();
            event.write_json(&mut json);
            while !self.publisher.send(event.user_id.as_bytes(), &json)? {
                if token.is_cancelled() {
                    break 'events;
                }
                thread::sleep(NAP);
                self.publisher.settle()?;
            }
            beat.count(now, self.rate.unwrap_or(pace));
            span = Some((span.map_or(now, |(first, _)| first), now));
            if self.publisher.sent().is_multiple_of(1_024) {
                self.publisher.settle()?;
                self.show(now);
            }
        }
        let mut stopping_since = None;
        while !self.publisher.settle()? {
            if token.is_cancelled() && stopping_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                break;
            }
            thread::sleep(NAP);
        }
        let published = self.publisher.deliveries().acknowledged().0;
        let seconds = span.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        let intervals = self.publisher.sent().saturating_sub(1) as f64;
        let rate = (seconds > 0.0).then(|| intervals / seconds);
        Ok(Summary { profile: self.profile, seed: self.seed, published, seconds, rate })
    }

    fn show(&mut self, now: Instant) {
        if let Some(progress) = &mut self.progress {
            progress.show(now, self.publisher.sent());
        }
    }
}

/// Says when the next event occurs: now, or on a time of its own.
struct Clock {
    /// On a time of its own: when the next event occurs.
    next: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

impl Clock {
    /// When the next event occurs and the traffic's pace then; none once a time of its own has caught up with `now`.
    /// No two events occur at once, for of two changes of a user the later one is to win.
    fn tick(&mut self, now: DateTime<Utc>, pace: impl Fn(DateTime<Utc>) -> f64) -> Option<(DateTime<Utc>, f64)> {
        let later = self.last.map(|last| last + TimeDelta::microseconds(1));
        let at = self.next.unwrap_or(now).trunc_subsecs(6);
        let at = later.map_or(at, |later| at.max(later));
        if self.next.is_some() && at > now {
            return None;
        }
        self.last = Some(at);
        let pace = pace(at);
        if let Some(next) = &mut self.next {
            *next = at + TimeDelta::microseconds((1_000_000.0 / pace) as i64);
        }
        Some((at, pace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn live_events_occur_now_and_never_two_at_once() {
        let mut clock = Clock { next: None, last: None };
        let now = time("2026-03-01T10:00:00.123456789Z");
        let mut tick = |now| clock.tick(now, |_| 5.0).unwrap().0;
        assert_eq!(tick(now), time("2026-03-01T10:00:00.123456Z"));
        assert_eq!(tick(now), time("2026-03-01T10:00:00.123457Z"));
        // a clock that was set back
        assert_eq!(tick(time("2026-03-01T09:00:00Z")), time("2026-03-01T10:00:00.123458Z"));
    }

    #[test]
    fn a_time_of_its_own_runs_at_the_pace_and_ends_now() {
        let start = time("2026-03-01T10:00:00Z");
        let mut clock = Clock { next: Some(start), last: None };
        let mut tick = || clock.tick(time("2026-03-01T10:00:01Z"), |_| 4.0).map(|(at, _)| at - start);
        let quarters = [0, 250, 500, 750, 1_000].map(|millis| Some(TimeDelta::milliseconds(millis)));
        assert_eq!([tick(), tick(), tick(), tick(), tick()], quarters);
        assert_eq!(tick(), None);
    }
}
