//! What a person sees on standard error while events are simulated.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Profile;

/// How often it is looked at.
const STEP: Duration = Duration::from_millis(500);

/// Where standard error is no terminal, a line is written this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The rate is the mean over this time.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// A moving line on a terminal, a line now and then elsewhere.
pub(crate) struct Progress {
    line: Option<ProgressBar>,
    told: Instant,
    /// Events so far, over the last [`RATE_WINDOW`] or a little longer.
    recent: VecDeque<(Instant, u64)>,
}

impl Progress {
    /// Says what is simulated, and from which seed.
    pub(crate) fn begin(profile: Profile, seed: u64) -> Self {
        eprintln!("simulating profile {profile}, seed {seed}; Ctrl-C stops it");
        let line = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        let now = Instant::now();
        Self { line, told: now, recent: VecDeque::from([(now, 0)]) }
    }

    /// To be called often; `sent` is the number of events so far.
    pub(crate) fn show(&mut self, now: Instant, sent: u64) {
        if self.recent.back().is_some_and(|(at, _)| now - *at < STEP) {
            return;
        }
        self.recent.push_back((now, sent));
        while self.recent.get(1).is_some_and(|(at, _)| now - *at >= RATE_WINDOW) {
            self.recent.pop_front();
        }
        let (since, before) = self.recent.front().copied().unwrap_or((now, 0));
        let rate = (sent - before) as f64 / (now - since).as_secs_f64().max(0.001);
        let text = format!("{sent} events, {rate:.1} events/s");
        if let Some(line) = &self.line {
            line.set_message(text);
            line.tick();
        } else if now - self.told >= LINE_EVERY {
            self.told = now;
            eprintln!("{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
