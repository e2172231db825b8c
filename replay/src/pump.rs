//! Lines in, messages out: the thread that reads, maps and publishes.
//!
//! One thread is enough: it maps and hands over several times as many rows a second as PostgreSQL
//! stores, and leaves the other cores to the consumer. Nothing is queued between reading and
//! publishing, so memory is flat and an event that happens "now" does so when it is published.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::beat::Beat;
use crate::input::Input;
use crate::mapping::{Mapping, Place};
use crate::publisher::{Mark, Publisher};
use crate::rejects::Reject;
use crate::times::Clock;

/// While it waits the thread looks this often whether it may go on.
const NAP: Duration = Duration::from_millis(5);

/// Told to stop, it waits so long for what Kafka has not acknowledged yet.
const GRACE: Duration = Duration::from_secs(5);

/// Rejected lines that wait to be kept, in bytes, before reading waits too.
const MOST_REJECTS: usize = 4 << 20;

/// What the thread is told, and what it tells, while it runs.
#[derive(Default)]
pub(crate) struct Gauges {
    /// How many messages may be sent in all. Nothing is read before the first may be sent.
    sendable: AtomicU64,
    stop: AtomicBool,
    read: AtomicU64,
    sent: AtomicU64,
    gaps: AtomicU64,
    overlaps: AtomicU64,
    rejects: Mutex<Vec<Reject>>,
    reject_bytes: AtomicU64,
}

impl Gauges {
    /// Sets how many messages may be sent in all.
    pub(crate) fn allow(&self, sendable: u64) {
        self.sendable.store(sendable, Ordering::Relaxed);
    }

    /// Makes the thread end as soon as what it sent is acknowledged, or a few seconds have passed.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Rows read, the rejected among them.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Messages handed to the Kafka client.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Times that were moved out of a gap, and times that were one of two.
    pub(crate) fn clock_changes(&self) -> (u64, u64) {
        (self.gaps.load(Ordering::Relaxed), self.overlaps.load(Ordering::Relaxed))
    }

    /// The rejected lines since the last call.
    pub(crate) fn take_rejects(&self) -> Vec<Reject> {
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        self.reject_bytes.store(0, Ordering::Relaxed);
        std::mem::take(&mut *rejects)
    }

    fn reject(&self, reject: Reject) {
        let mut rejects = self.rejects.lock().unwrap_or_else(PoisonError::into_inner);
        self.reject_bytes.fetch_add((reject.raw.len() + reject.reason.len()) as u64, Ordering::Relaxed);
        rejects.push(reject);
    }

    /// Whether reading waits until rejected lines are taken.
    pub(crate) fn waits_for_rejects(&self) -> bool {
        self.reject_bytes.load(Ordering::Relaxed) >= MOST_REJECTS as u64
    }

    /// Whether the next row may be read.
    fn may_read(&self) -> bool {
        self.sent() < self.sendable.load(Ordering::Relaxed) && !self.waits_for_rejects()
    }
}

/// The thread's belongings.
pub(crate) struct Pump {
    pub(crate) input: Input,
    pub(crate) mapping: Mapping,
    pub(crate) publisher: Publisher,
    /// What an earlier run of the import is done with.
    pub(crate) done: Mark,
    pub(crate) gauges: Arc<Gauges>,
    /// Rows a second.
    pub(crate) rate: Option<u32>,
    /// Rows to read at the most.
    pub(crate) limit: Option<u64>,
}

impl Pump {
    /// Reads, maps and publishes until the end of the file, the limit, or the order to stop; then
    /// waits until all is acknowledged. Returns what was wrong with the file instead of its end, where
    /// there is anything. Fails when Kafka takes no more.
    pub(crate) fn run(mut self) -> anyhow::Result<Option<String>> {
        let damage = self.read_all()?;
        let mut stopping_since = None;
        while !self.publisher.settle()? {
            if self.gauges.is_stopping() && stopping_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                break;
            }
            thread::sleep(NAP);
        }
        Ok(damage)
    }

    fn read_all(&mut self) -> anyhow::Result<Option<String>> {
        let mut beat = self.rate.map(|rate| (Beat::default(), f64::from(rate)));
        let mut json = Vec::new();
        let common = self.mapping.common();
        let Mark { line: done, rows: mut read, .. } = self.done;
        self.gauges.read.store(read, Ordering::Relaxed);
        // the header is no line to skip
        let skipped = if self.mapping.layout.is_headless { done } else { done.saturating_sub(1) };
        for _ in 0..skipped {
            match self.input.next_line() {
                Ok(Some(_)) if !self.gauges.is_stopping() => {}
                Ok(_) => return Ok(None),
                Err(error) => return Ok(Some(self.input.failure(&error))),
            }
        }
        while self.limit.is_none_or(|limit| read < limit) {
            while !self.gauges.may_read() || beat.as_ref().is_some_and(|(beat, _)| beat.is_early(Instant::now())) {
                if self.gauges.is_stopping() {
                    return Ok(None);
                }
                self.publisher.settle()?;
                thread::sleep(beat.as_ref().map_or(NAP, |(beat, _)| beat.nap(Instant::now())));
            }
            let line = match self.input.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(self.input.failure(&error))),
            };
            if line.raw.is_empty() {
                continue;
            }
            read += 1;
            self.gauges.read.store(read, Ordering::Relaxed);
            if let Some((beat, rate)) = &mut beat {
                beat.count(Instant::now(), *rate);
            }
            json.clear();
            let place = Place { line: line.number, row: read };
            let row = if line.cut {
                Err(format!("the line is longer than {} bytes", line.raw.len()))
            } else {
                self.mapping.map(line.raw, place, &common, &mut json)
            };
            match row {
                Ok(row) => {
                    while !self.publisher.send(row.user_id.as_bytes(), &json)? {
                        if self.gauges.is_stopping() {
                            return Ok(None);
                        }
                        thread::sleep(NAP);
                        self.publisher.settle()?;
                    }
                    match row.clock {
                        Clock::Plain => {}
                        Clock::Gap => _ = self.gauges.gaps.fetch_add(1, Ordering::Relaxed),
                        Clock::Overlap => _ = self.gauges.overlaps.fetch_add(1, Ordering::Relaxed),
                    }
                    self.gauges.sent.store(self.publisher.sent(), Ordering::Relaxed);
                }
                Err(reason) => {
                    self.gauges.reject(Reject {
                        line: line.number,
                        event_id: self.mapping.id_of(line.raw, place),
                        reason,
                        raw: line.raw.to_vec(),
                    });
                }
            }
            if read % 1_024 == 0 {
                let published = self.done.published + self.publisher.sent();
                self.publisher.mark(Mark { line: place.line, rows: read, published });
                if self.gauges.is_stopping() {
                    return Ok(None);
                }
                self.publisher.settle()?;
            }
        }
        Ok(None)
    }
}
