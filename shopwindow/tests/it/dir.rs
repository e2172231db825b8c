//! A directory with a Kafka and a PostgreSQL of its own, and what runs in it.

use std::fs::{self, File};
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

use crate::disk::Disk;

/// A directory that nobody else may enter, with a path too long for a Unix socket and characters that shells and
/// properties files treat as special.
pub(crate) struct Dir {
    path: PathBuf,
    /// What its programs are run with; see [`Disk`].
    wrapper: Vec<String>,
    disk: Option<Disk>,
}

impl Dir {
    pub(crate) fn new() -> Self {
        let top = std::env::temp_dir().join(format!("shopwindow-{}", uuid::Uuid::new_v4().simple()));
        let dir = top.join("d".repeat(100)).join("it's a läden, #1");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o700)).unwrap();
        Self { path: dir, wrapper: Vec::new(), disk: None }
    }

    /// One whose folder of the server `name` is a small file system. None, and why, where none can be mounted.
    pub(crate) fn with_small_disk(name: &str, megabytes: u32) -> Result<Self, String> {
        let mut dir = Self::new();
        let folder = dir.path.join(name);
        fs::create_dir(&folder).unwrap();
        let disk = Disk::mount(folder, megabytes)?;
        dir.wrapper = disk.wrapper();
        dir.disk = Some(disk);
        Ok(dir)
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `shopwindow SUBCOMMAND --dir` this directory, its output thrown away.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut words = self.wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_shopwindow")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(subcommand).arg("--dir").arg(&self.path).stdout(Stdio::null()).stderr(Stdio::null());
        // What the tests themselves are given is not this directory's.
        command.env_remove("DATABASE_URL").env_remove("KAFKA_BROKERS").env("XDG_STATE_HOME", self.path.join("state"));
        // Halves the work of a start; the slower code that it makes does not matter here.
        command.env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1");
        command
    }

    pub(crate) fn services(&self) -> Command {
        self.command("services")
    }

    pub(crate) fn start(&self) -> Running {
        let mut running = self.begin();
        wait_until("the services are up", || {
            assert!(running.ended().is_none(), "the services have ended: {}", self.said("services"));
            self.path.join("env").exists()
        });
        running
    }

    /// Starts the services, which may fail; what they say goes to [`Dir::said`].
    pub(crate) fn begin(&self) -> Running {
        Running(self.services().stderr(self.log_of("services")).spawn().unwrap())
    }

    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.services().arg("--").args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    }

    pub(crate) fn env(&self, name: &str) -> String {
        let env = fs::read_to_string(self.path.join("env")).unwrap();
        let value = env.lines().find_map(|line| line.strip_prefix(&format!("export {name}='"))?.strip_suffix('\''));
        value.unwrap_or_else(|| panic!("no {name} in {env}")).to_owned()
    }

    /// `shopwindow SUBCOMMAND` with this directory's servers; what it says goes to the end of [`Dir::said`].
    pub(crate) fn service(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        for name in ["KAFKA_BROKERS", "DATABASE_URL"] {
            command.env(name, self.env(name));
        }
        command.arg(subcommand).stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log_of(subcommand));
        command
    }

    fn log_of(&self, subcommand: &str) -> File {
        File::options().create(true).append(true).open(self.log(subcommand)).unwrap()
    }

    fn log(&self, subcommand: &str) -> PathBuf {
        self.path.join(format!("{subcommand}.log"))
    }

    /// What the processes of a subcommand have said so far.
    pub(crate) fn said(&self, subcommand: &str) -> String {
        fs::read_to_string(self.log(subcommand)).unwrap_or_default()
    }

    /// The process of `kafka` or `postgres`, as it is noted.
    pub(crate) fn server(&self, name: &str) -> Pid {
        let noted = fs::read_to_string(self.path.join(format!("{name}.pid"))).unwrap();
        Pid::from_raw(noted.split(' ').next().unwrap().parse().unwrap())
    }

    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.env("DATABASE_URL")).await.unwrap()
    }

    pub(crate) fn kafka(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.env("KAFKA_BROKERS")).create().unwrap()
    }

    /// The directory that all of a test's files are in.
    fn top(&self) -> &Path {
        self.path.ancestors().nth(2).unwrap()
    }

    /// The living processes, other than this one, that have a file of the test open, work in its directory or name it.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let dir = self.top().as_os_str().as_encoded_bytes();
        let names_dir = |bytes: &[u8]| bytes.windows(dir.len()).any(|window| window == dir);
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if pid == std::process::id() as i32 {
                continue;
            }
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
        assert!(!self.path.join("env").exists(), "addresses of stopped services are left");
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        drop(self.disk.take());
        _ = fs::remove_dir_all(self.top());
    }
}

pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn of(child: Child) -> Self {
        Self(child)
    }

    /// Its status if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        wait_until("it ends by itself", || self.ended().is_some());
        self.0.wait().unwrap()
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

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(180), "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}
