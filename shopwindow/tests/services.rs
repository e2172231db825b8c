#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]
//! `shopwindow services`: the real binary starts, stops, resumes and cleans up a real Kafka and PostgreSQL.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use sqlx::{Connection as _, PgConnection};

/// A directory that nobody else may enter, with a path too long for a Unix socket and characters that shells and
/// properties files treat as special.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let top = std::env::temp_dir().join(format!("shopwindow-{}", uuid::Uuid::new_v4().simple()));
        let dir = top.join("d".repeat(100)).join("it's a läden, #1");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o700)).unwrap();
        Self(dir)
    }

    fn services(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.arg("services").arg("--dir").arg(&self.0).stdout(Stdio::null()).stderr(Stdio::null());
        // Halves the work of a start; the slower code that it makes does not matter here.
        command.env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1");
        command
    }

    fn start(&self) -> Running {
        let running = Running(self.services().spawn().unwrap());
        wait_until("the services are up", || self.0.join("env").exists());
        running
    }

    fn run(&self, command: &[&str]) -> Output {
        self.services().arg("--").args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    }

    fn env(&self, name: &str) -> String {
        let env = fs::read_to_string(self.0.join("env")).unwrap();
        let value = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))?.strip_suffix('\''));
        value.unwrap_or_else(|| panic!("no {name} in {env}")).to_owned()
    }

    async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.env("DATABASE_URL")).await.unwrap()
    }

    fn kafka(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.env("KAFKA_BROKERS")).create().unwrap()
    }

    /// The living processes that have a file of this directory open, work in it or name it.
    fn processes(&self) -> Vec<(i32, String)> {
        let dir = self.0.as_os_str().as_encoded_bytes();
        let names_dir = |bytes: &[u8]| bytes.windows(dir.len()).any(|window| window == dir);
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten().map(|fd| fd.path());
            let mut links = open.chain([process.path().join("cwd")]).filter_map(|link| fs::read_link(link).ok());
            if names_dir(&command) || links.any(|link| link.starts_with(&self.0)) {
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    fn is_at_rest(&self) {
        // The children of a killed initdb take a moment to go.
        wait_until("no process is left", || self.processes().is_empty());
        assert!(!self.0.join("env").exists(), "addresses of stopped services are left");
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            if pid != std::process::id() as i32 {
                _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        _ = fs::remove_dir_all(self.0.ancestors().nth(2).unwrap());
    }
}

struct Running(Child);

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    fn end(mut self, signal: Signal) -> ExitStatus {
        kill(self.pid(), signal).unwrap();
        self.0.wait().unwrap()
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(180), "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_is_stored_survives_a_stop_and_the_loss_of_the_parent() {
    let dir = Dir::new();

    let first = dir.start();
    let mut database = dir.database().await;
    sqlx::raw_sql("create table kept as select 42 as answer").execute(&mut database).await.unwrap();
    let topic = NewTopic::new("kept", 3, TopicReplication::Fixed(1));
    dir.kafka().create_topics(&[topic], &AdminOptions::new()).await.unwrap().remove(0).unwrap();

    let refused = dir.run(&["true"]);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(message.contains(&format!("in use by process {}:", first.pid())), "{message}");

    let (url, brokers) = (dir.env("DATABASE_URL"), dir.env("KAFKA_BROKERS"));
    assert!(first.end(Signal::SIGINT).success());
    dir.is_at_rest();

    let second = dir.start();
    assert_both_kept(&dir).await;
    assert_eq!((url, brokers), (dir.env("DATABASE_URL"), dir.env("KAFKA_BROKERS")), "the addresses have changed");
    second.end(Signal::SIGKILL);
    let orphans = dir.processes();
    assert!(orphans.len() > 2, "kafka or postgresql went with their parent: {orphans:?}");

    fs::remove_file(dir.0.join("env")).unwrap();
    let third = dir.start();
    assert_both_kept(&dir).await;
    let kept_on = dir.processes().into_iter().filter(|process| orphans.contains(process)).collect::<Vec<_>>();
    assert!(kept_on.is_empty(), "still running: {kept_on:?}");
    assert!(third.end(Signal::SIGTERM).success());
    dir.is_at_rest();
}

async fn assert_both_kept(dir: &Dir) {
    let answer: i32 = sqlx::query_scalar("select answer from kept").fetch_one(&mut dir.database().await).await.unwrap();
    assert_eq!(answer, 42);
    let kafka = dir.kafka();
    let metadata = kafka.inner().fetch_metadata(Some("kept"), Duration::from_secs(10)).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
}

#[test]
fn an_interrupt_during_the_start_leaves_no_process_and_no_half_made_state() {
    let dir = Dir::new();
    let stages = [
        "lock",
        "postgres/superuser-password",
        "postgres/data.new",
        "postgres/data.new/base/1",
        "kafka/data.new",
        "postgres/data",
        "kafka/data",
        "postgres/data/postmaster.pid",
        "kafka/server.properties",
        "kafka/data/.lock",
    ];
    for stage in stages {
        let starting = Running(dir.services().spawn().unwrap());
        wait_until(stage, || dir.0.join(stage).exists() || dir.0.join("env").exists());
        // Before the program listens to signals, they end it at once.
        starting.end(Signal::SIGINT);
        dir.is_at_rest();
    }
    assert!(dir.run(&["true"]).status.success());
}

#[test]
fn a_start_that_is_killed_is_begun_anew() {
    let dir = Dir::new();
    for stage in ["postgres/data.new/base/1", "kafka/data.new", "postgres/data/postmaster.pid"] {
        let starting = Running(dir.services().spawn().unwrap());
        wait_until(stage, || dir.0.join(stage).exists() || dir.0.join("env").exists());
        starting.end(Signal::SIGKILL);
    }
    assert!(dir.run(&["true"]).status.success());
    dir.is_at_rest();
}

#[test]
fn the_command_gets_the_addresses_and_signals_and_its_status_is_passed_on() {
    let dir = Dir::new();
    let script = r#"echo "$KAFKA_BROKERS $DATABASE_URL"; exit 7"#;
    let output = dir.run(&["sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("127.0.0.1:") && printed.contains(" postgres://shopwindow:"), "{printed}");

    let script = r#"trap "exit 9" TERM; touch ready; while true; do sleep 0.1; done"#;
    let mut waiting = dir.services();
    waiting.current_dir(&dir.0).args(["--", "sh", "-c", script]);
    let waiting = Running(waiting.spawn().unwrap());
    wait_until("the command runs", || dir.0.join("ready").exists());
    assert_eq!(waiting.end(Signal::SIGTERM).code(), Some(9));
    dir.is_at_rest();
}

#[test]
fn several_directories_started_at_the_same_moment_get_ports_of_their_own() {
    let dirs = [Dir::new(), Dir::new()];
    let running = dirs.each_ref().map(|dir| Running(dir.services().spawn().unwrap()));
    for dir in &dirs {
        wait_until("the services are up", || dir.0.join("env").exists());
        assert!(TcpListener::bind(dir.env("KAFKA_BROKERS")).is_err());
    }
    let [one, other] = &dirs;
    assert_ne!(one.env("KAFKA_BROKERS"), other.env("KAFKA_BROKERS"));
    assert_ne!(one.env("DATABASE_URL"), other.env("DATABASE_URL"));
    for process in running {
        assert!(process.end(Signal::SIGHUP).success());
    }
    dirs.iter().for_each(Dir::is_at_rest);
}
