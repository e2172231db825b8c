//! A Kafka and a PostgreSQL that belong to one directory alone: for the demo, for development and for tests.
//!
//! The directory holds all state: `kafka/`, `postgres/`, `logs/`, and while both run, `env` with how to reach them.

mod kafka;
mod ports;
mod postgres;
mod process;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub(crate) use self::process::Interrupted;
use self::process::Server;
use crate::signals;

/// Where the services live.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Config {
    /// Directory of this Kafka and PostgreSQL: their data, logs and addresses
    #[arg(long, env = "SHOPWINDOW_DIR", default_value = ".shopwindow")]
    pub(crate) dir: PathBuf,
}

/// The `services` subcommand.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: Config,
    /// Run this command with the services' addresses in its environment, then stop them and exit with its status
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// A running Kafka and PostgreSQL. Dropping it kills them; [`Services::stop`] is the way to end them.
pub(crate) struct Services {
    /// Kafka's bootstrap servers, `host:port`.
    pub(crate) brokers: String,
    /// The database `shopwindow` as its owner, who may also create databases.
    pub(crate) database_url: String,
    /// The directory in use, absolute.
    pub(crate) dir: PathBuf,
    kafka: Server,
    postgres: Server,
    _lock: File,
}

/// Starts Kafka and PostgreSQL side by side and waits until both answer.
///
/// What an earlier start has left running in the directory is stopped first. If one cannot start, or `cancel` comes
/// first (the error is then [`Interrupted`]), nothing is left running.
pub(crate) async fn start(config: &Config, cancel: &CancellationToken) -> Result<Services> {
    require_programs()?;
    let dir = std::path::absolute(&config.dir)?;
    fs::create_dir_all(dir.join("logs")).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = lock(&dir)?;
    remove_file(&dir.join("env"))?;

    // The first failure cancels the other start.
    let abort = cancel.child_token();
    let _cancelled_at_the_end = abort.clone().drop_guard();
    let (kafka, postgres) =
        tokio::join!(async { kafka::start(&dir, &abort).await.inspect_err(|_| abort.cancel()) }, async {
            postgres::start(&dir, &abort).await.inspect_err(|_| abort.cancel())
        },);
    match (kafka, postgres) {
        (Ok(kafka), Ok((postgres, password))) => Ok(Services {
            brokers: format!("127.0.0.1:{}", kafka.port),
            database_url: format!("postgres://shopwindow:{password}@127.0.0.1:{}/shopwindow", postgres.port),
            dir,
            kafka,
            postgres,
            _lock: lock,
        }),
        (Err(error), Ok((postgres, _))) => {
            postgres.process.stop().await;
            Err(error)
        }
        (Ok(kafka), Err(error)) => {
            kafka.process.stop().await;
            Err(error)
        }
        (Err(kafka), Err(postgres)) => Err(if kafka.is::<Interrupted>() { postgres } else { kafka }),
    }
}

impl Services {
    /// Writes `env`, which a shell can source, whole or not at all: how to reach the services, and `more`.
    pub(crate) fn write_env(&self, more: &[(&str, String)]) -> Result<()> {
        let mut lines = String::new();
        for (name, value) in self.env().iter().chain(more) {
            lines += &format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
        }
        write_private(&self.dir.join("env"), &lines)
    }

    fn env(&self) -> [(&'static str, String); 2] {
        [("KAFKA_BROKERS", self.brokers.clone()), ("DATABASE_URL", self.database_url.clone())]
    }

    /// Resolves when Kafka or PostgreSQL has ended by itself, with an error that names it, its log and its last words.
    pub(crate) async fn died(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.kafka.process.died() => error,
            error = self.postgres.process.died() => error,
        }
    }

    /// Stops both, killing what does not stop within a minute. Removes `env`, so that nobody is sent to old addresses.
    pub(crate) async fn stop(self) {
        // Should it stay behind, the next start removes it.
        let _ = remove_file(&self.dir.join("env"));
        tokio::join!(self.kafka.process.stop(), self.postgres.process.stop());
    }
}

/// Runs the services until a signal or, if there is one, until the command ends.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let (cancel, mut signals) = signals::listen()?;
    let mut services = match start(&args.config, &cancel).await {
        // The command, if there is one, has not run.
        Err(error) if error.is::<Interrupted>() => {
            return Ok(ExitCode::from(if args.command.is_empty() { 0 } else { 128 + Signal::SIGINT as u8 }));
        }
        started => started?,
    };
    let outcome = async {
        services.write_env(&[])?;
        info!(
            brokers = services.brokers,
            "kafka and postgresql run; for their addresses: . '{}/env'",
            services.dir.display()
        );
        let Some((program, arguments)) = args.command.split_first() else {
            return tokio::select! {
                _ = signals.recv() => Ok(ExitCode::SUCCESS),
                error = services.died() => Err(error),
            };
        };
        let mut command = tokio::process::Command::new(program)
            .args(arguments)
            .envs(services.env())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = Pid::from_raw(command.id().context("a new child has no process id")?.try_into()?);
        loop {
            tokio::select! {
                status = command.wait() => {
                    let status = status?;
                    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
                    return Ok(ExitCode::from(u8::try_from(code)?));
                }
                // It may have ended this instant.
                Some(signal) = signals.recv() => { _ = kill(pid, signal); }
                error = services.died() => {
                    _ = kill(pid, Signal::SIGTERM);
                    command.wait().await?;
                    return Err(error);
                }
            }
        }
    }
    .await;
    info!("stopping kafka and postgresql");
    services.stop().await;
    outcome
}

fn require_programs() -> Result<()> {
    let mut missing = kafka::missing();
    missing.extend(postgres::missing());
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    bail!("missing: {}; install with: apt-get install -y {}", programs.join(", "), packages.join(" "))
}

/// Makes this the only program that works in `dir`, as long as the file is open.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            write!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!("{} is in use by process {holder}: stop it, or choose another directory with --dir", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Finds `name` in the `PATH`.
fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(file: &Path, contents: &str) -> Result<()> {
    let new = file.with_added_extension("new");
    remove_file(&new)?;
    let write = || {
        let mut out = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        out.write_all(contents.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

fn remove_file(file: &Path) -> Result<()> {
    unless_absent(fs::remove_file(file)).with_context(|| format!("cannot remove {}", file.display()))
}

fn remove_all(dir: &Path) -> Result<()> {
    unless_absent(fs::remove_dir_all(dir)).with_context(|| format!("cannot remove {}", dir.display()))
}

fn unless_absent(removed: std::io::Result<()>) -> std::io::Result<()> {
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
