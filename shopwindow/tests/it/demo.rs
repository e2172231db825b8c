//! `shopwindow demo`: the whole way, from a visit and from a file to the figures, through kills.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::dir::{Dir, Running, wait_until};

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A running demo and its two pages, each URL with a slash at its end.
pub(crate) struct Demo {
    process: Running,
    pub(crate) shop: String,
    pub(crate) charts: String,
}

impl Demo {
    /// Starts everything in `dir` and waits until it is ready.
    pub(crate) async fn start(dir: &Dir) -> Self {
        Self::start_with(dir, &[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(dir: &Dir, arguments: &[&str]) -> Self {
        // ports of their own, so that demos of tests run side by side
        let mut command = dir.command("demo");
        command.args(arguments).env("STOREFRONT_ADDR", "127.0.0.1:0").env("ANALYTICS_ADDR", "127.0.0.1:0");
        // one that was killed left its addresses behind
        _ = fs::remove_file(dir.path().join("env"));
        let process = Running::of(command.spawn().unwrap());
        wait_until("the demo is up", || dir.path().join("env").exists());
        let [shop, charts] = ["STOREFRONT_ADDR", "ANALYTICS_ADDR"].map(|name| format!("http://{}/", dir.env(name)));
        let demo = Self { process, shop, charts };
        demo.until("readyz", |ready| ready["ready"] == true).await;
        demo
    }

    /// The JSON of a path of analytics, whatever its status.
    pub(crate) async fn json(&self, path: &str) -> Value {
        reqwest::get(format!("{}{path}", self.charts)).await.unwrap().json().await.unwrap()
    }

    /// Asks until the JSON is as it should be.
    pub(crate) async fn until(&self, path: &str, condition: impl Fn(&Value) -> bool) {
        let begin = Instant::now();
        loop {
            let json = self.json(path).await;
            if condition(&json) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "{path} still gives {json}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn end(self, signal: Signal) -> ExitStatus {
        self.process.end(signal)
    }
}

/// `shopwindow replay` of a file with a running demo.
pub(crate) fn replay(dir: &Dir, file: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.arg("replay").arg(file).arg("--json").args(options);
    for name in ["KAFKA_BROKERS", "DATABASE_URL"] {
        command.env(name, dir.env(name));
    }
    command.stderr(Stdio::null());
    command
}

/// Generates a product.csv of so many rows.
pub(crate) fn generate(dir: &Dir, rows: u32) -> PathBuf {
    let file = dir.path().join("product.csv");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.args(["generate", "product-csv", "--rows"]).arg(rows.to_string());
    assert!(command.stdout(fs::File::create(&file).unwrap()).status().unwrap().success());
    file
}

/// Replays the file to its end and returns the summary.
pub(crate) fn replay_to_end(dir: &Dir, file: &Path) -> Value {
    let output = replay(dir, file, &[]).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `shopwindow doctor` has no complaint of a running demo.
fn doctor_finds_nothing(dir: &Dir) {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    doctor.args(["doctor", "--json", "--dir"]).arg(dir.path());
    for name in ["KAFKA_BROKERS", "KAFKA_TOPIC", "KAFKA_GROUP", "DATABASE_URL", "STOREFRONT_ADDR", "ANALYTICS_ADDR"] {
        doctor.env(name, dir.env(name));
    }
    let output = doctor.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    for part in ["kafka", "postgresql", "schema", "consumer", "storefront", "analytics"] {
        let found = findings.as_array().unwrap().iter().find(|finding| finding["part"] == part);
        assert_eq!(found.map(|finding| &finding["state"]), Some(&json!("ok")), "{part} in {findings}");
    }
}

/// The text between two others.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

/// Sees a banner, clicks on it, orders.
async fn visit_and_order(demo: &Demo) {
    let visitor = reqwest::Client::builder().user_agent(USER_AGENT).cookie_store(true).build().unwrap();
    let home = visitor.get(&demo.shop).send().await.unwrap().text().await.unwrap();
    let product = format!("product/{}", between(&home, "href=\"/product/", "\"").replace("&amp;", "&"));
    let page = visitor.get(format!("{}{product}", demo.shop)).send().await.unwrap().text().await.unwrap();
    let token = between(&page, "name=\"token\" value=\"", "\"");
    let slug = between(&product, "product/", "?");
    let ordered =
        visitor.post(format!("{}order", demo.shop)).form(&[("token", token), ("product", slug)]).send().await.unwrap();
    assert!(ordered.url().path().starts_with("/order/"), "{ordered:?}");
    assert!(ordered.text().await.unwrap().contains("Order successful"));
}

/// Rows of the file by title, product and site version, counted the plain way.
fn count(file: &Path) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in fs::read_to_string(file).unwrap().lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let product = if fields[3] == "company" { "electronics" } else { fields[3] };
        *counts.entry(format!("{} {product} {}", fields[6], fields[4])).or_default() += 1;
    }
    counts
}

/// The same figures as analytics gives them.
async fn served(demo: &Demo) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for site in ["desktop", "mobile"] {
        let path = format!("api/breakdown?by=product&site_version={site}&source=product.csv");
        for row in demo.json(&path).await["rows"].as_array().unwrap() {
            for title in ["banner_show", "banner_click", "order"] {
                if let Some(number @ 1..) = row[title].as_u64() {
                    counts.insert(format!("{title} {} {site}", row["value"].as_str().unwrap()), number);
                }
            }
        }
    }
    counts
}

#[tokio::test]
async fn visits_and_files_are_counted_exactly_whatever_is_killed() {
    let dir = Dir::new();
    let file = generate(&dir, 30_000);
    let expected = count(&file);
    assert_eq!(expected.values().sum::<u64>(), 30_000);

    let demo = Demo::start(&dir).await;
    let totals = demo.json("api/totals").await;
    assert_eq!((&totals["first"], &totals["events"]["order"]), (&Value::Null, &json!(0)));
    visit_and_order(&demo).await;
    demo.until("api/totals", |totals| totals["events"]["order"] == 1).await;
    let totals = demo.json("api/totals").await;
    assert_eq!((&totals["events"]["banner_show"], &totals["events"]["banner_click"]), (&json!(1), &json!(1)));
    let page = reqwest::get(&demo.charts).await.unwrap().text().await.unwrap();
    assert_eq!(between(&page, "data-figure=\"orders-today\"", "</").rsplit('>').next(), Some("1"));

    // kill -9 of the replay alone
    let mut replaying = replay(&dir, &file, &["--rate", "20000"]).spawn().unwrap();
    demo.until("api/totals", |totals| totals["events"]["banner_show"].as_u64() > Some(2_000)).await;
    replaying.kill().unwrap();
    replaying.wait().unwrap();

    // kill -9 of everything at once, a replay under way
    let mut replaying = replay(&dir, &file, &["--rate", "20000"]).spawn().unwrap();
    demo.until("api/totals", |totals| totals["events"]["banner_show"].as_u64() > Some(12_000)).await;
    for (pid, _) in dir.processes() {
        _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    replaying.wait().unwrap();
    _ = demo.end(Signal::SIGKILL);
    wait_until("all is dead", || dir.processes().is_empty());

    let demo = Demo::start(&dir).await;
    let summary = replay_to_end(&dir, &file);
    assert_eq!((summary["read"].as_u64(), summary["rejected"].as_u64()), (Some(30_000), Some(0)));
    assert_eq!(summary["stored"].as_u64().unwrap() + summary["duplicate"].as_u64().unwrap(), 30_000);
    assert_eq!(served(&demo).await, expected);
    let again = replay_to_end(&dir, &file);
    assert_eq!((again["stored"].as_u64(), again["duplicate"].as_u64()), (Some(0), Some(30_000)));
    assert_eq!(served(&demo).await, expected);
    assert_eq!(demo.json("api/totals?source=storefront").await["events"]["order"], 1);

    doctor_finds_nothing(&dir);

    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[test]
fn an_interrupt_at_any_moment_of_the_start_leaves_nothing_behind() {
    let dir = Dir::new();
    for stage in ["lock", "postgres/data.new", "kafka/data", "postgres/data/postmaster.pid", "env"] {
        let starting = dir.command("demo").spawn().unwrap();
        wait_until(stage, || dir.path().join(stage).exists());
        assert_eq!(Running::of(starting).end(Signal::SIGINT).code().unwrap_or(0), 0, "{stage}");
        dir.is_at_rest();
    }
}
