//! What a person sees on standard error while a replay runs.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Where standard error is no terminal, a line is written this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The rate is the mean over this time.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// A moving bar on a terminal, a line now and then elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    told: Instant,
    /// Rows read, over the last [`RATE_WINDOW`] or a little longer.
    recent: VecDeque<(Instant, u64)>,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) read: u64,
    /// Rows that Kafka has not acknowledged yet.
    pub(crate) in_flight: u64,
    /// Of the whole, from 0 to 1; by bytes, or by rows when their number is limited.
    pub(crate) done: f64,
    /// How long the oldest published row has been waiting to be stored.
    pub(crate) ahead: Duration,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(1_000_000).with_style(style)
        });
        let now = Instant::now();
        Self { bar, told: now, recent: VecDeque::from([(now, 0)]) }
    }

    pub(crate) fn step(&mut self, step: Step) {
        let now = Instant::now();
        self.recent.push_back((now, step.read));
        while self.recent.get(1).is_some_and(|(at, _)| now - *at >= RATE_WINDOW) {
            self.recent.pop_front();
        }
        let (since, before) = self.recent.front().copied().unwrap_or((now, 0));
        let rate = (step.read - before) as f64 / (now - since).as_secs_f64().max(0.001);
        if let Some(bar) = &self.bar {
            bar.set_position((step.done * 1_000_000.0) as u64);
            bar.set_message(describe(step, rate));
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = now;
            eprintln!("{:.0} %  {}", step.done * 100.0, describe(step, rate));
        }
    }

    /// How much of the file was read through, from 0 to 1, before its rows are.
    pub(crate) fn look_through(&mut self, done: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position((done * 1_000_000.0) as u64);
            bar.set_message("reading it through, to know it again");
        } else if self.told.elapsed() >= LINE_EVERY {
            self.told = Instant::now();
            eprintln!("{:.0} %  read through, to know it again", done * 100.0);
        }
    }

    /// Says something beside the progress.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `rate` is in rows a second.
fn describe(step: Step, rate: f64) -> String {
    let mut text = format!("{} rows, {} rows/s", grouped(step.read), grouped(rate as u64));
    if step.done > 0.0 && step.done < 1.0 && rate >= 1.0 {
        let left = step.read as f64 * (1.0 - step.done) / step.done;
        text += &format!(", {} left", duration((left / rate) as u64));
    }
    if !step.ahead.is_zero() {
        text += &format!(", {:.1} s ahead of stored", step.ahead.as_secs_f64());
    } else if step.in_flight == 0 && step.read > 0 {
        text += ", all stored";
    }
    text
}

/// With commas between the thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn duration(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_rows_rate_time_left_and_lead() {
        let step = Step { read: 1_234_567, in_flight: 567, done: 0.25, ahead: Duration::from_millis(1_240) };
        assert_eq!(describe(step, 41_152.3), "1,234,567 rows, 41,152 rows/s, 1 min 29 s left, 1.2 s ahead of stored");
        let waiting = Step { ahead: Duration::ZERO, ..step };
        assert_eq!(describe(waiting, 0.0), "1,234,567 rows, 0 rows/s");
        let last = Step { in_flight: 0, done: 1.0, ..waiting };
        assert_eq!(describe(last, 308.0), "1,234,567 rows, 308 rows/s, all stored");
        assert_eq!((grouped(0), grouped(999), grouped(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(duration(7_260), "2 h 1 min");
    }
}
