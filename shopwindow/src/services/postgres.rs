//! A PostgreSQL from the system's binaries.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use tokio::process::Command;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::process::{Home, Server};
use super::{program, remove_all, write_private};

const USUAL_PORT: u16 = 5432;
/// The home as the server sees it. The server's user may not reach it by its path: that may lead through a directory
/// which only root can enter. The open descriptor leads there all the same.
const HOME: &str = "/proc/self/fd/9";

/// What is missing on this machine, as (program, Debian package).
pub(super) fn missing() -> Option<(&'static str, &'static str)> {
    binaries(Path::new("")).is_none().then_some(("a PostgreSQL server", "postgresql"))
}

/// Starts PostgreSQL in `dir/postgres` and waits until its database `shopwindow` takes connections; with the password
/// of that database's owner, `shopwindow`.
pub(super) async fn start(dir: &Path, cancel: &CancellationToken) -> Result<(Server, String)> {
    let path = dir.join("postgres");
    fs::create_dir_all(&path)?;
    let owner = Owner::of(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    owner.give(&path)?;

    let home = Home::claim(dir, "postgres", Signal::SIGINT, cancel).await?;
    let admin_password = password(&path.join("superuser-password"), &owner)?;
    let password = password(&path.join("password"), &owner)?;
    let data = path.join("data");
    let binaries = binaries(&data).context("no PostgreSQL server is installed")?;
    if !data.exists() {
        // Beside its final place, so that an initdb that was cut short leaves none.
        let new = path.join("data.new");
        remove_all(&new)?;
        let mut command = owner.command(&home, &binaries.join("initdb"));
        command.arg(format!("--pgdata={HOME}/data.new")).arg(format!("--pwfile={HOME}/superuser-password")).args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        home.run(command, "initdb", cancel).await?;
        fs::rename(&new, &data).context("cannot put the new PostgreSQL data in place")?;
    }
    forget_reused_pid(&data);
    let settings = path.join("postgresql.conf");
    fs::write(&settings, include_str!("postgresql.conf"))
        .with_context(|| format!("cannot write {}", settings.display()))?;
    let server = |home: &Home, port: u16| {
        let mut command = owner.command(home, &binaries.join("postgres"));
        command.arg("-D").arg(format!("{HOME}/data")).arg("-p").arg(port.to_string());
        command.arg("-c").arg(format!("config_file={HOME}/postgresql.conf"));
        Ok(command)
    };
    let probe = async |port| provision(port, &admin_password, &password).await;
    Ok((home.serve(USUAL_PORT, server, probe, cancel).await?, password))
}

/// Who the server runs as: this program's user or, as PostgreSQL refuses to run as root, another one.
struct Owner(Option<(u32, u32)>);

impl Owner {
    fn of(home: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self(None));
        }
        let meta = fs::metadata(home)?;
        if meta.uid() != 0 {
            return Ok(Self(Some((meta.uid(), meta.gid()))));
        }
        let user = match User::from_name("postgres")? {
            Some(user) => user,
            None => User::from_name("nobody")?.context("there is no user postgres or nobody to run PostgreSQL as")?,
        };
        Ok(Self(Some((user.uid.as_raw(), user.gid.as_raw()))))
    }

    fn give(&self, path: &Path) -> Result<()> {
        match self.0 {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot change the owner of {}", path.display())),
            None => Ok(()),
        }
    }

    fn command(&self, home: &Home, program: &Path) -> Command {
        let mut command = match self.0 {
            Some((uid, gid)) => {
                let mut command = home.command("setpriv");
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups").arg(program);
                command
            }
            None => home.command(program),
        };
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        command
    }
}

/// The password kept in `file`, made at first.
fn password(file: &Path, owner: &Owner) -> Result<String> {
    if !file.exists() {
        write_private(file, &Uuid::new_v4().simple().to_string())?;
    }
    owner.give(file)?;
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Waits until the server takes connections and sees to its user and database `shopwindow`.
async fn provision(port: u16, admin_password: &str, password: &str) -> Result<()> {
    let options = PgConnectOptions::new()
        .host("127.0.0.1")
        .port(port)
        .username("postgres")
        .password(admin_password)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    let mut connection = loop {
        match options.connect().await {
            Ok(connection) => break connection,
            Err(error) if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("28P01")) => {
                return Err(error).context("it does not know the password in DIR/postgres/superuser-password");
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    if is_so(&mut connection, "select not exists (select from pg_roles where rolname = 'shopwindow')").await? {
        connection.execute("create role shopwindow").await?;
    }
    // Utility statements take no parameters; the password is 32 hexadecimal digits of our own.
    let alter = format!("alter role shopwindow login createdb password '{password}'");
    connection.execute(AssertSqlSafe(alter)).await?;
    if is_so(&mut connection, "select not exists (select from pg_database where datname = 'shopwindow')").await? {
        connection.execute("create database shopwindow owner shopwindow").await?;
    }
    // What each page is written with that changes first after a checkpoint; PostgreSQL's own method takes several
    // times as long, and not every build has this one.
    if is_so(&mut connection, "select 'lz4' = any(enumvals) from pg_settings where name = 'wal_compression'").await? {
        connection.execute("alter role shopwindow set wal_compression = lz4").await?;
    }
    connection.close().await?;
    Ok(())
}

async fn is_so(connection: &mut PgConnection, query: &'static str) -> sqlx::Result<bool> {
    sqlx::query_scalar(query).fetch_one(connection).await
}

/// Removes what a crash left of `postmaster.pid` when its number belongs to another program by now, which PostgreSQL
/// would take for a server on the same data. We hold the home, so only one started by hand can be such a server; a
/// server works in its data directory.
fn forget_reused_pid(data: &Path) {
    let file = data.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&file).ok().and_then(|pid| pid.lines().next()?.parse::<u32>().ok()) else {
        return;
    };
    let identity = |dir: &Path| fs::metadata(dir).map(|meta| (meta.dev(), meta.ino()));
    let in_use = match identity(Path::new(&format!("/proc/{pid}/cwd"))) {
        Ok(directory) => identity(data).is_ok_and(|data| data == directory),
        // It cannot be told: leave it to PostgreSQL.
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    if !in_use && let Err(error) = fs::remove_file(&file) {
        warn!(%error, "cannot remove {}", file.display());
    }
}

/// The server's binaries: those that `PG_CONFIG` names, else Debian's of the data's version, else Debian's newest, else
/// those in the `PATH`.
fn binaries(data: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("PG_CONFIG").and_then(|config| {
        let output = std::process::Command::new(config).arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
    });
    let version = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|version| version.trim().parse().ok());
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    installed.sort_by_key(|(installed, _)| (Some(*installed) != version, std::cmp::Reverse(*installed)));
    let in_path = program("postgres").and_then(|postgres| Some(postgres.parent()?.to_owned()));
    named
        .into_iter()
        .chain(installed.into_iter().map(|(_, binaries)| binaries))
        .chain(in_path)
        .find(|binaries| binaries.join("postgres").is_file() && binaries.join("initdb").is_file())
}
