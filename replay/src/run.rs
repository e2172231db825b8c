//! One replay from beginning to end: starts the thread that publishes, watches what is stored.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::import::{Import, Origin};
use crate::input::{Fingerprint, Input, Source};
use crate::mapping::{Layout, Mapping};
use crate::pace::{Ends, Pace, all_stored};
use crate::progress::{Progress, Step};
use crate::publisher::{Deliveries, Mark, Publisher};
use crate::pump::{Gauges, Pump};
use crate::rejects::{self, Reject};
use crate::{Config, Summary};

/// How often PostgreSQL is asked what is stored.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often the import's row is brought up to date.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Nothing acknowledged, or nothing stored, for so long: the user is told what may be missing.
const STILL: Duration = Duration::from_secs(5);

/// Rejected lines that are told on standard error, each; of the others only the number.
const TOLD_REJECTS: u64 = 10;

/// Replays the file and returns what became of its rows, once they are stored.
///
/// Waits, and says so on standard error, while no consumer stores what was published and while
/// PostgreSQL is away. Fails with one line: when the file, its header, Kafka or PostgreSQL is not
/// usable; when the file is damaged, after the rows before the damage are stored; when `token` is
/// cancelled, after what was published is written down.
pub async fn run(config: &Config, token: CancellationToken) -> anyhow::Result<Summary> {
    let opening = open(config);
    let Opened { input, layout, fingerprint } = match token.run_until_cancelled(opening).await {
        Some(opened) => opened?,
        None => bail!("interrupted before anything was published"),
    };
    let prepared = async {
        config.kafka.ensure_topic().await?;
        let publisher = Publisher::new(&config.kafka)?;
        spawn_blocking(move || publisher.cluster_id().map(|cluster_id| (publisher, cluster_id))).await?
    };
    let (publisher, cluster_id) = match token.run_until_cancelled(prepared).await {
        Some(prepared) => prepared?,
        None => bail!("interrupted before anything was published"),
    };
    let pool = config.database.pool("shopwindow replay", 3, Duration::from_secs(3))?;
    let file_name = match config.file.file_name().unwrap_or_default().to_string_lossy() {
        name if name == "-" => "standard input".into(),
        name => name,
    };
    let source = config.source.as_deref().unwrap_or(layout.source());
    let usual_header = layout.is_headless.then(|| layout.usual_header());
    let origin = Origin {
        file_name: &file_name,
        file_bytes: input.bytes(),
        format: layout.name(),
        header: usual_header.as_deref().or_else(|| str::from_utf8(input.header()).ok()),
        fingerprint: fingerprint.map(|fingerprint| fingerprint.to_string()),
        timezone: config.tz,
        options: json!({
            "source": source,
            "keep_products": config.keep_products,
            "map": config.map,
            "headless": layout.is_headless,
            "limit": config.limit,
        }),
    };
    let import = Import::begin(pool, &origin).await?;

    let gauges = Arc::new(Gauges::default());
    let mut replay = Replay {
        name: input.name().to_owned(),
        file: config.file.clone(),
        source: source.to_owned(),
        bytes: input.bytes(),
        position: input.position(),
        limit: config.limit,
        brokers: config.kafka.brokers.clone(),
        cluster_id,
        topic: config.kafka.topic.clone(),
        deliveries: publisher.deliveries(),
        gauges: gauges.clone(),
        pace: Pace::new(Instant::now()),
        written: Instant::now(),
        unstored: VecDeque::new(),
        done: import.done,
        rejects: Vec::new(),
        rejected: 0,
        heard: (0, Instant::now()),
        told_unheard: false,
        told_still: false,
        told_away: false,
        progress: Progress::begin(),
        import,
    };
    if replay.import.done.line > 0 {
        replay.progress.say(&format!(
            "going on with import {} after line {}, up to which an earlier replay of this file was stored",
            replay.import.id, replay.import.done.line
        ));
    }
    let pump = Pump {
        mapping: Mapping {
            layout,
            import_id: replay.import.id,
            fingerprint: fingerprint.unwrap_or_default(),
            timezone: config.tz,
            keep_products: config.keep_products,
            as_live: config.as_live,
            source: source.to_owned(),
        },
        input,
        publisher,
        done: replay.import.done,
        gauges,
        rate: config.rate.map(u32::from),
        limit: config.limit,
    };
    match replay.carry_out(pump, &token).await {
        Ok(ended) => replay.conclude(ended, config.as_live).await,
        Err(error) => Err(replay.give_up("failed", error).await),
    }
}

/// A file that is of a format we know.
struct Opened {
    input: Input,
    layout: Layout,
    /// None as-live, when there is no need of it.
    fingerprint: Option<Fingerprint>,
}

/// Opens the file, recognises its format, and reads it through once to know it again. Says how far it is
/// where that takes long.
async fn open(config: &Config) -> anyhow::Result<Opened> {
    let (tell, told) = oneshot::channel();
    let position = Arc::new(AtomicU64::new(0));
    let bytes = Arc::new(AtomicU64::new(0));
    // a thread that nobody waits for: a pipe may never end
    std::thread::spawn({
        let (config, position, bytes) = (config.clone(), position.clone(), bytes.clone());
        move || {
            // nobody hears it once the replay was cancelled
            let _ = tell.send(look_at(&config, &position, &bytes));
        }
    });
    let mut progress = Progress::begin();
    let mut look = interval(Duration::from_millis(200));
    tokio::pin!(told);
    loop {
        tokio::select! {
            opened = &mut told => return opened.context("the thread that opens the file")?,
            _ = look.tick() => {
                let of = bytes.load(Ordering::Relaxed);
                if of > 0 {
                    progress.look_through(position.load(Ordering::Relaxed) as f64 / of as f64);
                }
            }
        }
    }
}

fn look_at(config: &Config, position: &Arc<AtomicU64>, bytes: &AtomicU64) -> anyhow::Result<Opened> {
    let source = Source::open(&config.file)?;
    let mut input = Input::new(source.try_clone()?)?;
    let layout = Layout::recognise(input.header(), config.format, &config.map)
        .map_err(|problem| anyhow::anyhow!("{}: {problem}", input.name()))?;
    let mut fingerprint = None;
    if !config.as_live {
        bytes.store(source.bytes(), Ordering::Relaxed);
        let looked = source.look_through(position)?;
        if let Some(damage) = looked.damage.filter(|_| layout.needs_whole_file()) {
            bail!("{damage}; its rows have no ids, so that only a file that is whole can be told from another");
        }
        fingerprint = Some(looked.fingerprint);
        input = Input::new(source)?;
    }
    if layout.is_headless {
        input.without_header();
    }
    Ok(Opened { input, layout, fingerprint })
}

/// A replay that is under way.
struct Replay {
    name: String,
    file: PathBuf,
    /// Of its events.
    source: String,
    bytes: u64,
    position: Arc<AtomicU64>,
    limit: Option<u64>,
    brokers: String,
    cluster_id: String,
    topic: String,
    deliveries: Deliveries,
    gauges: Arc<Gauges>,
    pace: Pace,
    written: Instant,
    /// Places in the file before which all is acknowledged, and the ends by which it is stored.
    unstored: VecDeque<(Mark, Ends)>,
    /// The last place before which all is stored.
    done: Mark,
    /// Rejected lines that are not in PostgreSQL yet.
    rejects: Vec<Reject>,
    /// Rejected lines so far.
    rejected: u64,
    /// The number of acknowledged messages, and when it last grew or was all of them.
    heard: (u64, Instant),
    told_unheard: bool,
    told_still: bool,
    told_away: bool,
    progress: Progress,
    import: Import,
}

/// How publishing and storing ended, without an error.
enum Ended {
    /// With what was wrong with the file instead of its end, where there was anything.
    Stored(Option<String>),
    Interrupted,
}

impl Drop for Replay {
    /// Whatever ends the replay ends its thread.
    fn drop(&mut self) {
        self.gauges.stop();
    }
}

impl Replay {
    /// Publishes the file and waits until all of it is stored.
    async fn carry_out(&mut self, pump: Pump, token: &CancellationToken) -> anyhow::Result<Ended> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pump = spawn_blocking(move || pump.run());
        let damage = loop {
            tokio::select! {
                damage = &mut pump => break damage.context("the publishing thread")??,
                () = token.cancelled(), if !self.gauges.is_stopping() => self.gauges.stop(),
                _ = look.tick() => {
                    if let Err(error) = self.look().await {
                        self.gauges.stop();
                        // it is as good as over, and its own end is of no interest any more
                        let _ = pump.await;
                        return Err(error);
                    }
                }
            }
        };
        loop {
            if token.is_cancelled() {
                return Ok(Ended::Interrupted);
            }
            if self.look().await? && self.write_down().await? && self.is_settled().await? {
                return Ok(Ended::Stored(damage));
            }
            token.run_until_cancelled(look.tick()).await;
        }
    }

    /// Looks how far the topic is stored, and lets the thread publish as much as is good. True when
    /// everything that was published is stored.
    async fn look(&mut self) -> anyhow::Result<bool> {
        let stored = self.import.stored(&self.cluster_id, &self.topic).await;
        let Some(stored) = self.unless_away(stored)? else { return Ok(false) };
        let (acknowledged, ends) = self.deliveries.acknowledged();
        let sent = self.gauges.sent();
        let in_flight = sent.saturating_sub(acknowledged);
        let advice = self.pace.observe(Instant::now(), in_flight, &ends, &stored);
        self.gauges.allow(sent + advice.allowance);
        self.unstored.extend(self.deliveries.reached());
        while let Some((mark, _)) = self.unstored.pop_front_if(|(_, ends)| all_stored(ends, &stored)) {
            self.done = mark;
        }

        if in_flight == 0 || acknowledged != self.heard.0 {
            self.heard = (acknowledged, Instant::now());
            self.told_unheard = false;
        } else if self.heard.1.elapsed() > STILL && !self.told_unheard {
            self.told_unheard = true;
            self.progress
                .say(&format!("Kafka at {} does not acknowledge what is published; waiting for it", self.brokers));
        }
        if advice.still > STILL && !self.told_still {
            self.told_still = true;
            self.progress.say(&format!(
                "nothing has been stored for {} s: is a consumer running, and what does its log say? `shopwindow demo` or \
                 `shopwindow consumer`, with the same KAFKA_BROKERS, KAFKA_TOPIC and DATABASE_URL, starts one; waiting for it",
                STILL.as_secs()
            ));
        }
        let by_bytes = self.position.load(Ordering::Relaxed) as f64 / self.bytes.max(1) as f64;
        let by_rows = self.limit.map_or(0.0, |limit| self.gauges.read() as f64 / limit.max(1) as f64);
        self.progress.step(Step {
            read: self.gauges.read(),
            in_flight,
            done: by_bytes.max(by_rows).min(1.0),
            ahead: advice.ahead,
        });
        if self.written.elapsed() >= WRITE_EVERY || self.gauges.waits_for_rejects() {
            self.write_down().await?;
        }
        Ok(all_stored(&ends, &stored))
    }

    /// Brings the import's row up to date and keeps what was rejected. False while PostgreSQL is away.
    async fn write_down(&mut self) -> anyhow::Result<bool> {
        self.written = Instant::now();
        // what was rejected before this place is in PostgreSQL when the ones that are taken now are
        let done = if self.rejects.is_empty() { self.done } else { Mark::default() };
        // the next ones are taken when these are kept, so that they cannot pile up
        if self.rejects.is_empty() {
            self.rejects = self.gauges.take_rejects();
            for reject in &self.rejects {
                self.rejected += 1;
                if self.rejected <= TOLD_REJECTS {
                    self.progress.say(&format!("{} line {}: {}", self.name, reject.line, reject.reason));
                } else if self.rejected == TOLD_REJECTS + 1 {
                    self.progress.say("further rejected lines are only counted here");
                }
            }
        }
        if !self.rejects.is_empty() {
            let kept = self.import.keep_rejects(&self.source, &self.rejects).await;
            if self.unless_away(kept)?.is_none() {
                return Ok(false);
            }
            self.rejects.clear();
        }
        let written = self.import.progress(self.gauges.read(), self.published(), done).await;
        match self.unless_away(written)? {
            Some(false) => {
                bail!(
                    "import {} has been deleted meanwhile; replaying {} again starts afresh",
                    self.import.id,
                    self.name
                )
            }
            written => Ok(written.is_some()),
        }
    }

    /// Rows that Kafka has acknowledged, those of earlier runs included.
    fn published(&self) -> u64 {
        self.import.done.published + self.deliveries.acknowledged().0
    }

    /// Whether the figures of the import are complete.
    async fn is_settled(&mut self) -> anyhow::Result<bool> {
        let fate = self.import.fate().await;
        Ok(self.unless_away(fate)?.is_some_and(|fate| !fate.pending))
    }

    /// The result; none, and a word about it, when PostgreSQL is away and may come back.
    fn unless_away<T>(&mut self, result: sqlx::Result<T>) -> anyhow::Result<Option<T>> {
        match result {
            Ok(value) => {
                self.told_away = false;
                Ok(Some(value))
            }
            Err(error) if migrations::is_passing(&error) => {
                if !self.told_away {
                    self.told_away = true;
                    let problem = if migrations::is_disk_full(&error) {
                        "PostgreSQL's disk is full: make room where its data is"
                    } else {
                        "PostgreSQL is away"
                    };
                    self.progress.say(&format!("{problem} ({error}); waiting for it"));
                }
                Ok(None)
            }
            Err(error) => {
                Err(error).context("PostgreSQL refuses what replay asks of it: do its version and the schema's match?")
            }
        }
    }

    /// The end of a replay without an error on the way.
    async fn conclude(mut self, ended: Ended, as_live: bool) -> anyhow::Result<Summary> {
        let published = self.published();
        let damage = match ended {
            Ended::Stored(damage) => damage,
            Ended::Interrupted => {
                let again = if as_live { "publishes all rows anew" } else { "goes on from there" };
                let error = anyhow::anyhow!(
                    "interrupted when {published} rows of {} were published (import {}); running it again {again}",
                    self.name,
                    self.import.id
                );
                return Err(self.give_up("interrupted", error).await);
            }
        };
        let fate = self.import.fate().await.context("read what became of the rows from PostgreSQL")?;
        let (in_gap, in_overlap) = self.gauges.clock_changes();
        let read = self.gauges.read();
        let sent_again = self.deliveries.sent_again();
        // what was published twice came twice to the consumer, but the row is one
        let repeated = if sent_again > 0 || self.import.is_resumed {
            (fate.stored + fate.duplicate + fate.rejected).saturating_sub(read).min(fate.duplicate)
        } else {
            0
        };
        let summary = Summary {
            import_id: self.import.id,
            read,
            published,
            stored: fate.stored,
            duplicate: fate.duplicate - repeated,
            rejected: fate.rejected,
            in_gap,
            in_overlap,
            rejected_file: if fate.rejected > 0 { self.write_rejects().await } else { None },
        };
        let accounted = summary.stored + summary.duplicate + summary.rejected;
        if sent_again > 0 {
            self.progress.say(&format!(
                "{sent_again} messages were published again because Kafka did not acknowledge them in time"
            ));
        }
        if let Some(damage) = damage {
            let error = anyhow::anyhow!("{damage}; of the rows before it: {}", summary.figures());
            return Err(self.give_up("failed", error).await);
        }
        if accounted != summary.read {
            let error = anyhow::anyhow!(
                "of {} rows read, {accounted} are accounted for: {}; \
                 select count(*) from events where import_id = '{}' counts what is stored",
                summary.read,
                summary.figures(),
                summary.import_id
            );
            return Err(self.give_up("failed", error).await);
        }
        self.import
            .end("finished", summary.read, published, repeated)
            .await
            .context("write the end of the import to PostgreSQL")?;
        Ok(summary)
    }

    /// Writes the rejected lines to a file, as far as there is a place for one.
    async fn write_rejects(&mut self) -> Option<PathBuf> {
        let written = async {
            let (path, mut file) = rejects::create(&self.file)?;
            if self.import.write_rejects(&mut file).await? == 0 {
                // it was the consumer that refused them
                std::fs::remove_file(&path)?;
                return Ok(None);
            }
            anyhow::Ok(Some(path))
        };
        written.await.unwrap_or_else(|error| {
            self.progress.say(&format!(
                "{error:#}; `shopwindow imports rejects {}` prints the rejected lines as well",
                self.import.id
            ));
            None
        })
    }

    /// Writes down that the replay ends before its end, as far as that is possible, and passes on why.
    async fn give_up(&mut self, state: &str, error: anyhow::Error) -> anyhow::Error {
        let published = self.published();
        let farewell = async {
            self.write_down().await?;
            // what came in while the ones before were kept
            self.write_down().await?;
            anyhow::Ok(self.import.end(state, self.gauges.read(), published, 0).await?)
        };
        match farewell.await {
            Ok(()) => error,
            Err(problem) => {
                anyhow::anyhow!("{error:#}; nor could PostgreSQL be told that the import is {state}: {problem:#}")
            }
        }
    }
}
