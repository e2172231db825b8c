//! A one-node Apache Kafka, broker and controller in one process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use super::process::{Home, Server, lock_file};
use super::{ports, program, remove_all};

/// The newest that is whole: 4.4.0 names a `kafka-tools-api` which Maven Central does not have (November 2026).
const VERSION: &str = "4.3.1";
const USUAL_PORT: u16 = 9092;

/// What is missing on this machine, as (program, Debian package).
pub(super) fn missing() -> Vec<(&'static str, &'static str)> {
    let mut missing = Vec::new();
    if java().is_none() {
        missing.push(("java", "default-jre-headless"));
    }
    let has_jars = std::env::var_os("KAFKA_HOME").is_some() || cached_jars().is_ok_and(|jars| jars.is_dir());
    if !has_jars && program("mvn").is_none() {
        missing.push(("mvn", "maven"));
    }
    missing
}

/// Starts Kafka in `dir/kafka` and waits until it answers.
pub(super) async fn start(dir: &Path, cancel: &CancellationToken) -> Result<Server> {
    fs::create_dir_all(dir.join("kafka"))?;
    let home = Home::claim(dir, "kafka", Signal::SIGTERM, cancel).await?;
    let jars = jars(&home, cancel).await?;
    let logging = home.path.join("log4j2.properties");
    fs::write(&logging, include_str!("log4j2.properties"))
        .with_context(|| format!("cannot write {}", logging.display()))?;
    if !home.path.join("data").exists() {
        format(&home, &jars, cancel).await?;
    }
    let cluster = cluster_id(&home.path)?;
    let broker = |home: &Home, port| {
        write_properties(&home.path, "server.properties", "data", port, ports::any()?)?;
        let mut command = java_command(home, &jars)?;
        command.args(["kafka.Kafka", "server.properties"]);
        Ok(command)
    };
    home.serve(USUAL_PORT, broker, async |port| answers(&format!("127.0.0.1:{port}"), &cluster).await, cancel).await
}

/// Formats the log directory beside its final place, so that a format that was cut short leaves none.
async fn format(home: &Home, jars: &Path, cancel: &CancellationToken) -> Result<()> {
    let new = home.path.join("data.new");
    remove_all(&new)?;
    // The ports are checked for form only.
    write_properties(&home.path, "format.properties", "data.new", USUAL_PORT, USUAL_PORT + 1)?;
    let mut command = java_command(home, jars)?;
    let cluster = Uuid::new_v4().simple().to_string();
    // Not worth the optimizing compiler.
    command.arg("-XX:TieredStopAtLevel=1");
    command.args(["kafka.tools.StorageTool", "format", "-t", &cluster, "-c", "format.properties"]);
    home.run(command, "formatting the kafka log", cancel).await?;
    fs::rename(&new, home.path.join("data")).context("cannot put the formatted kafka log in place")
}

fn write_properties(home: &Path, file: &str, data: &str, port: u16, controller: u16) -> Result<()> {
    // Paths are relative to the home: a properties file would need many characters of an absolute one escaped.
    let properties = include_str!("server.properties")
        .replace("{port}", &port.to_string())
        .replace("{controller}", &controller.to_string())
        .replace("{data}", data);
    let file = home.join(file);
    fs::write(&file, properties).with_context(|| format!("cannot write {}", file.display()))
}

fn java_command(home: &Home, jars: &Path) -> Result<Command> {
    let mut command = home.command(java().context("java is not installed")?);
    command
        .args(["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"])
        .args(["-Dlog4j2.configurationFile=log4j2.properties", "-cp"])
        .arg(jars.join("*"));
    Ok(command)
}

fn java() -> Option<PathBuf> {
    let from_home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    from_home.filter(|java| java.is_file()).or_else(|| program("java"))
}

fn cluster_id(home: &Path) -> Result<String> {
    let file = home.join("data/meta.properties");
    let properties = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let id = properties.lines().find_map(|line| line.strip_prefix("cluster.id="));
    Ok(id.with_context(|| format!("{} has no cluster.id", file.display()))?.to_owned())
}

/// Resolves when the broker at `brokers` is the one of `cluster` and takes requests.
async fn answers(brokers: &str, cluster: &str) -> Result<()> {
    loop {
        if TcpStream::connect(brokers).await.is_ok() {
            let (brokers, cluster) = (brokers.to_owned(), cluster.to_owned());
            if tokio::task::spawn_blocking(move || is_up(&brokers, &cluster)).await? {
                return Ok(());
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn is_up(brokers: &str, cluster: &str) -> bool {
    let Ok(client) = ClientConfig::new().set("bootstrap.servers", brokers).create::<BaseConsumer>() else {
        return false;
    };
    // A broker appears in its own metadata once it may lead partitions.
    client.fetch_metadata(None, Duration::from_secs(2)).is_ok_and(|metadata| !metadata.brokers().is_empty())
        && client.client().fetch_cluster_id(Duration::from_secs(1)).as_deref() == Some(cluster)
}

/// The directory with Kafka's jars: `KAFKA_HOME/libs`, or the user's cache, filled from Maven Central at first.
async fn jars(home: &Home, cancel: &CancellationToken) -> Result<PathBuf> {
    if let Some(kafka) = std::env::var_os("KAFKA_HOME") {
        let libs = Path::new(&kafka).join("libs");
        if !libs.is_dir() {
            bail!("KAFKA_HOME is set, but {} is no directory", libs.display());
        }
        return Ok(libs);
    }
    let jars = cached_jars()?;
    if jars.is_dir() {
        return Ok(jars);
    }
    let cache = jars.parent().context("the cache has no parent")?;
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    // Maven's own cache takes no two writers either.
    let lock = File::create(cache.join("lock"))?;
    lock_file(&lock, cancel).await?;
    if jars.is_dir() {
        return Ok(jars);
    }
    info!("fetching kafka {VERSION} from maven central, 44 MB, once");
    let new = jars.with_added_extension("new");
    remove_all(&new)?;
    fs::create_dir(&new)?;
    fs::write(new.join("pom.xml"), include_str!("pom.xml"))?;
    let mut command = home.command("mvn");
    command
        .args(["--quiet", "--batch-mode", "--strict-checksums", "-Dstyle.color=never", "dependency:copy-dependencies"])
        .arg(format!("-Dkafka.version={VERSION}"))
        .current_dir(&new);
    home.run(command, "maven", cancel)
        .await
        .context("cannot fetch kafka: see to the network, or set KAFKA_HOME to an unpacked Kafka 4")?;
    fs::rename(&new, &jars).with_context(|| format!("cannot create {}", jars.display()))?;
    Ok(jars)
}

fn cached_jars() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|cache| cache.is_absolute()) {
        Some(cache) => cache,
        None => {
            std::env::home_dir().context("no home directory to keep kafka in: set HOME or KAFKA_HOME")?.join(".cache")
        }
    };
    Ok(cache.join("shopwindow").join(format!("kafka-{VERSION}")))
}
