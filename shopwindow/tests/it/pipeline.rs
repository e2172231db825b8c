//! The whole way as processes of their own, so that each can be killed alone, and what must be stored in the end.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use events::{Event, EventType, Kafka};
use nix::sys::signal::{Signal, kill};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::demo::replay;
use crate::dir::{Dir, Running, wait_until};

/// The topic of all processes.
pub(crate) const TOPIC: &str = "ecommerce";

pub(crate) const HEADER: &str = "order_id,user_id,page_id,product,site_version,time,title,target\n";

/// Kafka, PostgreSQL, consumers and analytics, each a process.
pub(crate) struct Pipeline {
    pub(crate) dir: Dir,
    servers: Option<Running>,
    pub(crate) consumers: Vec<Running>,
    analytics: Option<Running>,
    analytics_addr: String,
    /// Messages in a batch of a consumer that starts.
    pub(crate) batch_rows: u64,
    /// The consumers' group; another one once all of its members were killed, so that the next need not wait until
    /// the group takes them for dead.
    group: u32,
    /// Events that must be stored, and no others.
    expected: i64,
    files: u64,
}

impl Pipeline {
    /// The servers alone.
    pub(crate) fn start() -> Self {
        Self::start_in(Dir::new())
    }

    pub(crate) fn start_in(dir: Dir) -> Self {
        let servers = Some(dir.start());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self {
            dir,
            servers,
            consumers: Vec::new(),
            analytics: None,
            analytics_addr: port.to_string(),
            batch_rows: 100_000,
            group: 0,
            expected: 0,
            files: 0,
        }
    }

    pub(crate) fn consumer(&self) -> Command {
        let mut command = self.dir.service("consumer");
        command.env("KAFKA_GROUP", self.group()).env("CONSUMER_BATCH_ROWS", self.batch_rows.to_string());
        command
    }

    pub(crate) fn group(&self) -> String {
        format!("pipeline-{}", self.group)
    }

    /// Starts what is not running: the servers, so many consumers, and analytics.
    pub(crate) fn revive(&mut self, consumers: usize) {
        if self.servers.as_mut().is_none_or(|servers| servers.ended().is_some()) {
            // those of a killed start left it behind
            _ = fs::remove_file(self.dir.path().join("env"));
            self.servers = Some(self.dir.start());
        }
        self.consumers.retain_mut(|consumer| consumer.ended().is_none());
        if self.consumers.is_empty() {
            self.group += 1;
        }
        while self.consumers.len() < consumers {
            self.consumers.push(Running::of(self.consumer().spawn().unwrap()));
        }
        if self.analytics.as_mut().is_none_or(|analytics| analytics.ended().is_some()) {
            let mut analytics = self.dir.service("analytics");
            analytics.env("ANALYTICS_ADDR", &self.analytics_addr);
            self.analytics = Some(Running::of(analytics.spawn().unwrap()));
        }
    }

    pub(crate) fn kill_consumer(&mut self) {
        self.consumers.remove(0).end(Signal::SIGKILL);
    }

    pub(crate) fn kill_analytics(&mut self) {
        self.analytics.take().unwrap().end(Signal::SIGKILL);
    }

    /// Ends a server alone, upon which `shopwindow services` ends too.
    pub(crate) fn end_server(&mut self, name: &str, signal: Signal) {
        kill(self.dir.server(name), signal).unwrap();
        self.await_end_of_services();
    }

    /// Waits until `shopwindow services` ends because a server has.
    pub(crate) fn await_end_of_services(&mut self) {
        assert_eq!(self.servers.take().unwrap().wait().code(), Some(1), "{}", self.dir.said("services"));
    }

    /// Kills `shopwindow services`, which leaves its servers running.
    pub(crate) fn kill_services(&mut self) {
        self.servers.take().unwrap().end(Signal::SIGKILL);
    }

    pub(crate) fn kill_everything(&mut self) {
        for (pid, _) in self.dir.processes() {
            _ = kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        for process in self.servers.take().into_iter().chain(self.consumers.drain(..)).chain(self.analytics.take()) {
            process.end(Signal::SIGKILL);
        }
        wait_until("all is dead", || self.dir.processes().is_empty());
    }

    /// A file with so many rows that no other file has.
    /// They are expected to be stored in the end.
    pub(crate) fn file(&mut self, rows: u64) -> Rows {
        self.files += 1;
        self.expected += rows as i64;
        let file = self.dir.path().join(format!("rows-{}.csv", self.files));
        let first = Uuid::from_u64_pair(self.files, 0);
        fs::write(&file, [HEADER, &csv_rows(first, rows)].concat()).unwrap();
        Rows { file, first, count: rows }
    }

    /// So many more events must be stored.
    pub(crate) fn expect(&mut self, rows: i64) {
        self.expected += rows;
    }

    /// A replay of the file, its output thrown away.
    pub(crate) fn replay(&self, rows: &Rows, options: &[&str]) -> Running {
        Running::of(replay(&self.dir, &rows.file, options).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Replays the files at once and to their ends, and returns the summaries.
    pub(crate) fn replay_to_end(&self, files: &[&Rows]) -> Vec<Value> {
        let replays = files.iter().map(|rows| {
            let mut command = replay(&self.dir, &rows.file, &[]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let replays: Vec<_> = replays.collect();
        let summaries = replays.into_iter().zip(files).map(|(replay, rows)| {
            let output = replay.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(summary["read"], rows.count, "{summary}");
            summary
        });
        summaries.collect()
    }

    /// Publishes an event every few milliseconds, each until it is acknowledged.
    pub(crate) fn trickle(&self) -> Trickle {
        let enough = Arc::new(AtomicBool::new(false));
        let env = self.dir.path().join("env");
        Trickle { enough: enough.clone(), publishing: tokio::spawn(trickle(env, enough)) }
    }

    /// Publishes so many events at once and returns when all are acknowledged.
    pub(crate) async fn publish(&mut self, count: usize) {
        let kafka = Kafka::plain(self.dir.env("KAFKA_BROKERS"), TOPIC);
        kafka.ensure_topic().await.unwrap();
        let producer: FutureProducer = kafka.producer().create().unwrap();
        let sends = (0..count).map(|number| {
            let event = Event::new(EventType::Cart, format!("user-{number}"), "test");
            let producer = &producer;
            async move {
                let json = event.to_json();
                let record = FutureRecord::to(TOPIC).key(&*event.user_id).payload(&json);
                producer.send(record, Duration::from_secs(60)).await.unwrap();
            }
        });
        futures_util::future::join_all(sends).await;
        self.expected += count as i64;
    }

    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.dir.database().await).await.expect(sql)
    }

    /// Waits until the query gives the number.
    pub(crate) async fn until(&self, sql: &'static str, expected: i64) {
        let begin = Instant::now();
        loop {
            let number = self.number(sql).await;
            if number == expected {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "{sql} still gives {number}, not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the whole topic is stored; then the rows are those that are expected, and every kept figure equals
    /// a recount of them.
    pub(crate) async fn assert_exact(&self) {
        let messages = ends(&self.dir.env("KAFKA_BROKERS"));
        self.until("select coalesce(sum(next_offset), 0)::bigint from consumer_offsets", messages).await;
        self.until("select count(*) from import_deltas", 0).await;
        assert_eq!(self.number("select count(*) from events").await, self.expected, "events stored");
        assert_eq!(self.number("select count(*) from rejected_events").await, 0, "events rejected");
        assert_eq!(self.number(include_str!("recount.sql")).await, 0, "figures that differ from a recount");
        if has_verify() {
            let verified = self.dir.service("verify").status().unwrap();
            assert!(verified.success(), "shopwindow verify: {}", self.dir.said("verify"));
        }
    }

    /// What analytics serves is what is stored.
    pub(crate) async fn assert_served(&self) {
        let begin = Instant::now();
        loop {
            let totals = reqwest::get(format!("http://{}/api/totals", self.analytics_addr)).await;
            let totals: Value = match totals {
                Ok(totals) => totals.json().await.unwrap(),
                Err(_) => Value::Null,
            };
            let events = totals["events"].as_object().into_iter().flat_map(|events| events.values());
            let sum: i64 = events.filter_map(Value::as_i64).sum();
            if sum == self.expected {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "not {} events: {totals}", self.expected);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops everything as a person would.
    pub(crate) fn end(mut self) {
        for process in self.consumers.drain(..).chain(self.analytics.take()).chain(self.servers.take()) {
            assert!(process.end(Signal::SIGTERM).success());
        }
        self.dir.is_at_rest();
    }
}

/// A file whose rows have ids that count up.
pub(crate) struct Rows {
    pub(crate) file: PathBuf,
    pub(crate) first: Uuid,
    pub(crate) count: u64,
}

impl Rows {
    /// Every row of the file is stored, once.
    pub(crate) async fn assert_stored(&self, pipeline: &Pipeline) {
        let last = Uuid::from_u128(self.first.as_u128() + u128::from(self.count) - 1);
        let stored: i64 = sqlx::query_scalar("select count(*) from events where event_id between $1 and $2")
            .bind(self.first)
            .bind(last)
            .fetch_one(&mut pipeline.dir.database().await)
            .await
            .unwrap();
        assert_eq!(stored, self.count as i64, "rows stored of {}", self.file.display());
    }
}

/// Good rows of all kinds, with ids that count up from `first`.
pub(crate) fn csv_rows(first: Uuid, count: u64) -> String {
    let mut rows = String::new();
    for number in 0..count {
        let id = Uuid::from_u128(first.as_u128() + u128::from(number)).simple();
        let (day, hour, minute) = (number * 7 % 28 + 1, number * 5 % 24, number * 11 % 60);
        let product = ["clothes", "sneakers", "company", "accessories"][number as usize * 3 % 4];
        let site = ["mobile", "desktop"][number as usize / 2 % 2];
        let title = ["banner_show,0", "banner_show,0", "banner_click,0", "order,1"][number as usize / 3 % 4];
        writeln!(
            rows,
            "{id},user{},page{number},{product},{site},2019-05-{day:02} {hour:02}:{minute:02}:00,{title}",
            number % 997
        )
        .unwrap();
    }
    rows
}

/// Live events that are being published.
pub(crate) struct Trickle {
    enough: Arc<AtomicBool>,
    publishing: JoinHandle<Vec<Uuid>>,
}

impl Trickle {
    /// Ends it, and expects what was acknowledged, which is all of it.
    pub(crate) async fn end(self, pipeline: &mut Pipeline) -> Vec<Uuid> {
        self.enough.store(true, Ordering::Relaxed);
        let acknowledged = self.publishing.await.unwrap();
        pipeline.expected += acknowledged.len() as i64;
        acknowledged
    }
}

async fn trickle(env: PathBuf, enough: Arc<AtomicBool>) -> Vec<Uuid> {
    let mut acknowledged = Vec::new();
    let mut producer = None;
    while !enough.load(Ordering::Relaxed) {
        let event = Event::new(EventType::BannerClick, format!("visitor-{}", acknowledged.len() % 20), "test");
        let json = event.to_json();
        // a delivery that failed may be on the topic all the same, so it is the same event that is sent again
        loop {
            if producer.is_none() {
                producer = connect(&env).await;
            }
            if let Some(producer) = &producer {
                let record = FutureRecord::to(TOPIC).key(&*event.user_id).payload(&json);
                if FutureProducer::send(producer, record, Duration::from_secs(5)).await.is_ok() {
                    break;
                }
            }
            producer = None;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        acknowledged.push(event.event_id);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acknowledged
}

/// A producer for the servers that run at the moment, if they do.
async fn connect(env: &Path) -> Option<FutureProducer> {
    let env = fs::read_to_string(env).ok()?;
    let brokers = env.lines().find_map(|line| line.strip_prefix("export KAFKA_BROKERS='")?.strip_suffix('\''))?;
    let kafka = Kafka::plain(brokers, TOPIC);
    kafka.ensure_topic().await.ok()?;
    kafka.producer().set("message.timeout.ms", "5000").create().ok()
}

/// The number of messages on the topic.
pub(crate) fn ends(brokers: &str) -> i64 {
    let reader: BaseConsumer = Kafka::plain(brokers, TOPIC).client().create().unwrap();
    (0..events::PARTITIONS)
        .map(|partition| reader.fetch_watermarks(TOPIC, partition, Duration::from_secs(30)).unwrap().1)
        .sum()
}

/// Whether this binary can recount everything itself.
fn has_verify() -> bool {
    let help = Command::new(env!("CARGO_BIN_EXE_shopwindow")).args(["verify", "--help"]).output().unwrap();
    help.status.success()
}
