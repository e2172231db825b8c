//! A directory with a Kafka and a PostgreSQL of its own, and what runs in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use sqlx::{Connection as _, PgConnection};

/// A directory that nobody else may enter, with a path too long for a Unix socket and characters that shells and
/// properties files treat as special.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        let top = std::env::temp_dir().join(format!("shopwindow-{}", uuid::Uuid::new_v4().simple()));
        let dir = top.join("d".repeat(100)).join("it's a läden, #1");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o700)).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `shopwindow SUBCOMMAND --dir` this directory, its output thrown away.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.arg(subcommand).arg("--dir").arg(&self.0).stdout(Stdio::null()).stderr(Stdio::null());
        // What the tests themselves are given is not this directory's.
        command.env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS").env("XDG_STATE_HOME", self.0.join("state"));
        // Halves the work of a start; the slower code that it makes does not matter here.
        command.env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1");
        command
    }

    pub(crate) fn services(&self) -> Command {
        self.command("services")
    }

    pub(crate) fn start(&self) -> Running {
        let running = Running(self.services().spawn().unwrap());
        wait_until("the services are up", || self.0.join("env").exists());
        running
    }

    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.services().arg("--").args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    }

    pub(crate) fn env(&self, name: &str) -> String {
        let env = fs::read_to_string(self.0.join("env")).unwrap();
        let value = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))?.strip_suffix('\''));
        value.unwrap_or_else(|| panic!("no {name} in {env}")).to_owned()
    }

    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.env("DATABASE_URL")).await.unwrap()
    }

    pub(crate) fn kafka(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.env("KAFKA_BROKERS")).create().unwrap()
    }

    /// The directory that all of a test's files are in.
    fn top(&self) -> &Path {
        self.0.ancestors().nth(2).unwrap()
    }

    /// The living processes that have a file of the test open, work in its directory or name it.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let dir = self.top().as_os_str().as_encoded_bytes();
        let names_dir = |bytes: &[u8]| bytes.windows(dir.len()).any(|window| window == dir);
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten().map(|fd| fd.path());
            let mut links = open.chain([process.path().join("cwd")]).filter_map(|link| fs::read_link(link).ok());
            if names_dir(&command) || links.any(|link| link.starts_with(self.top())) {
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    pub(crate) fn is_at_rest(&self) {
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
        _ = fs::remove_dir_all(self.top());
    }
}

pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn of(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        kill(self.pid(), signal).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(180), "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}
