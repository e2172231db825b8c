//! A child process that belongs to a DIR, and what becomes of it when this program is killed.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ports;

/// The start was cancelled; whatever had been started has been stopped again.
#[derive(Debug, thiserror::Error)]
#[error("interrupted while starting")]
pub(crate) struct Interrupted;

/// How long a child may take to end once it was asked to, before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to answer: after a crash it first reads its whole log.
const START: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(50);
const LOG_LIMIT: u64 = 10 << 20;
const LOG_TAIL_BYTES: u64 = 64 << 10;
const LOG_TAIL_LINES: usize = 12;
/// How a full disk is called: by the C library, and by Java where a file that is mapped into memory found no room.
const DISK_FULL: [&str; 2] = ["No space left on device", "java.lang.InternalError: a fault occurred in"];

/// The shell notes who it is (process and start time), moves the home to descriptor 9, and becomes the program.
const LAUNCH: &str = r#"read -r stat <"/proc/$$/stat"; printf '%s\n' "$stat" >"$1"; shift; exec "$@" 9<&0 </dev/null"#;

/// The directory of one server, held by this program and by every process started in it.
///
/// The hold is a lock on the directory that children inherit with the open descriptor 9, and that ends with the last
/// of them. So whoever gets it knows that nothing from an earlier start is still running, however that start ended.
pub(super) struct Home {
    pub(super) path: PathBuf,
    name: &'static str,
    stop: Signal,
    lock: File,
    pid_file: PathBuf,
    log: PathBuf,
}

/// A server that answers on `port`.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) process: Process,
    /// Held until the process has ended.
    _home: Home,
}

impl Home {
    /// Takes hold of the existing directory `dir/name`, whose processes `stop` asks to end; first of all what a killed
    /// start has left running there.
    pub(super) async fn claim(
        dir: &Path,
        name: &'static str,
        stop: Signal,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let path = dir.join(name);
        let lock = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let home = Self {
            path,
            name,
            stop,
            lock,
            pid_file: dir.join(format!("{name}.pid")),
            log: dir.join("logs").join(format!("{name}.log")),
        };
        for (signal, patience) in [(None, POLL), (Some(stop), PATIENCE), (Some(Signal::SIGKILL), PATIENCE)] {
            if let Some(signal) = signal
                && let Some(pid) = leader(&home.pid_file)
            {
                info!(%pid, %signal, "stopping the {name} that an earlier start has left running");
                // It may have ended this instant.
                let _ = killpg(pid, signal);
            }
            if let Ok(locked) = timeout(patience, lock_file(&home.lock, cancel)).await {
                return locked.map(|()| home);
            }
        }
        bail!("{} is held by a process that does not end; find it with: fuser {0}", home.path.display())
    }

    /// `program` in this home: as descriptor 9 and, until said otherwise, as working directory.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(LAUNCH).arg("sh").arg(&self.pid_file).arg(program).current_dir(&self.path);
        command
    }

    /// Starts what [`Home::command`] made, in a process group of its own, so that a Ctrl-C in the terminal reaches
    /// this program only.
    fn spawn(&self, mut command: Command) -> Result<Process> {
        let log = &self.log;
        if fs::metadata(log).is_ok_and(|log| log.len() > LOG_LIMIT) {
            fs::rename(log, log.with_extension("log.1"))?;
        }
        let mut output = File::options().create(true).append(true).open(log)?;
        let log_start = output.seek(SeekFrom::End(0))?;
        let child = command
            .stdin(self.lock.try_clone()?)
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let group = Pid::from_raw(child.id().context("a new child has no process id")?.try_into()?);
        let (home, log) = (self.path.clone(), log.clone());
        Ok(Process { name: self.name, child, group, stop: self.stop, home, log, log_start })
    }

    /// Runs a program that ends by itself; asks it to end early when `cancel` comes first.
    pub(super) async fn run(&self, command: Command, what: &str, cancel: &CancellationToken) -> Result<()> {
        let mut process = self.spawn(command)?;
        tokio::select! {
            status = process.child.wait() => match status? {
                status if status.success() => Ok(()),
                status => Err(process.obituary(what, status)),
            },
            () = cancel.cancelled() => {
                process.stop().await;
                Err(Interrupted.into())
            }
        }
    }

    /// Starts a server on a free port, waits for `probe`, and tries another port if a program was quicker to take it.
    pub(super) async fn serve(
        self,
        usual_port: u16,
        command: impl Fn(&Self, u16) -> Result<Command>,
        probe: impl AsyncFn(u16) -> Result<()>,
        cancel: &CancellationToken,
    ) -> Result<Server> {
        loop {
            let port = ports::choose(&self.path, self.name, usual_port)?;
            let mut process = self.spawn(command(&self, port)?)?;
            let Err(error) = process.ready(probe(port), cancel).await else {
                ports::remember(&self.path, port)?;
                return Ok(Server { port, process, _home: self });
            };
            process.stop().await;
            if cancel.is_cancelled() || ports::is_free(port) {
                return Err(error);
            }
            info!("another program took port {port} first, trying {} on another", self.name);
        }
    }
}

/// A running child. Dropping it kills it; [`Process::stop`] is the way to end it.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    group: Pid,
    stop: Signal,
    home: PathBuf,
    log: PathBuf,
    log_start: u64,
}

impl Process {
    /// Waits until `probe` is done; an error when the child ends, the probe fails or `cancel` comes first.
    async fn ready(&mut self, probe: impl Future<Output = Result<()>>, cancel: &CancellationToken) -> Result<()> {
        let (name, log) = (self.name, self.log.clone());
        tokio::select! {
            () = cancel.cancelled() => Err(Interrupted.into()),
            error = self.died() => Err(error),
            probed = timeout(START, probe) => {
                probed.unwrap_or_else(|_| bail!("does not answer")).with_context(|| format!("{name} (log: {})", log.display()))
            }
        }
    }

    /// Resolves when the child has ended, with an error that shows how and what it said last.
    pub(super) async fn died(&mut self) -> anyhow::Error {
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return anyhow!(error).context(format!("cannot wait for {}", self.name)),
        };
        let obituary = self.obituary(self.name, status);
        let log = self.last_words();
        if !DISK_FULL.iter().any(|words| log.contains(words)) {
            return obituary;
        }
        obituary.context(format!(
            "the disk of {} is full: make room there and start again, which goes on where this ends",
            self.home.display()
        ))
    }

    fn obituary(&self, what: &str, status: std::process::ExitStatus) -> anyhow::Error {
        let log = self.last_words();
        // where in Java something failed says less than what came before
        let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("\tat ")).collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n  ");
        anyhow!("{what} has ended ({status}); the end of {}:\n  {tail}", self.log.display())
    }

    /// The end of the log, as far as it is of this child.
    fn last_words(&self) -> String {
        let mut log = Vec::new();
        let _ = File::open(&self.log).and_then(|mut file| {
            let from = file.metadata()?.len().saturating_sub(LOG_TAIL_BYTES).max(self.log_start);
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut log)
        });
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Asks the child to end, and kills it if it does not.
    pub(super) async fn stop(mut self) {
        if self.child.id().is_none() {
            return;
        }
        // Neither call can fail in a way that matters: the child is ours, and it may have ended by itself.
        let _ = killpg(self.group, self.stop);
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            warn!("{} does not stop, killing it", self.name);
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
    }
}

/// Waits for the lock on `file`.
pub(super) async fn lock_file(file: &File, cancel: &CancellationToken) -> Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock"),
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(Interrupted.into()),
            () = sleep(POLL) => {}
        }
    }
}

/// The process noted in `pid_file`, if it still runs: a process that has got its number since started at another time.
fn leader(pid_file: &Path) -> Option<Pid> {
    let noted = fs::read_to_string(pid_file).ok()?;
    let pid: i32 = noted.split(' ').next()?.parse().ok()?;
    let running = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (start_time(&noted)? == start_time(&running)?).then(|| Pid::from_raw(pid))
}

/// Field 22 of `/proc/PID/stat`, counted from the end of the name in parentheses, which may hold blanks.
fn start_time(stat: &str) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)
}
