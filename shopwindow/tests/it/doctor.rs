//! `shopwindow doctor`: what is away, missing, wrong or lagging is told by a sentence of its own.

use std::process::{Command, Output, Stdio};

use events::Kafka;
use nix::sys::signal::Signal;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};

use crate::dir::{Dir, Running, wait_until};

/// A `shopwindow` of these settings, and of none that the tests themselves were given.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// Where nothing listens.
    fn nowhere() -> Self {
        let at = |port: u16| format!("127.0.0.1:{port}");
        Self(vec![
            ("KAFKA_BROKERS", at(1)),
            ("DATABASE_URL", "postgres://shopwindow:secret@127.0.0.1:2/shop".into()),
            ("STOREFRONT_ADDR", at(3)),
            ("ANALYTICS_ADDR", at(4)),
            ("SHOPWINDOW_DIR", "/nonexistent".into()),
        ])
    }

    /// The Kafka and the PostgreSQL of the tests, a topic of its own and no services.
    fn of(pool: &PgPool) -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
        let topic = format!("doctor-test-{}", uuid::Uuid::new_v4().simple());
        Self::nowhere()
            .with("KAFKA_BROKERS", brokers)
            .with("DATABASE_URL", pool.connect_options().to_url_lossy())
            .with("KAFKA_GROUP", format!("{topic}-group"))
            .with("KAFKA_TOPIC", topic)
    }

    fn with(&self, name: &'static str, value: impl ToString) -> Self {
        let mut settings: Vec<_> = self.0.iter().filter(|(known, _)| *known != name).cloned().collect();
        settings.push((name, value.to_string()));
        Self(settings)
    }

    fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn kafka(&self) -> Kafka {
        Kafka::plain(self.get("KAFKA_BROKERS"), self.get("KAFKA_TOPIC"))
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.arg(subcommand).envs(self.0.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    fn doctor(&self) -> Output {
        self.command("doctor").output().unwrap()
    }

    /// The findings, each by its part.
    fn findings(&self) -> Findings {
        Findings::of(&self.command("doctor").arg("--json").output().unwrap())
    }
}

struct Findings(Vec<Value>);

impl Findings {
    fn of(output: &Output) -> Self {
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let ill = findings.iter().any(|finding| finding["state"] == "trouble");
        assert_eq!(output.status.code(), Some(i32::from(ill)));
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), usize::from(ill));
        Self(findings)
    }

    fn states(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|f| (f["part"].as_str().unwrap(), f["state"].as_str().unwrap())).collect()
    }

    /// State, detail and remedy of a part.
    fn part(&self, part: &str) -> (&str, &str, &str) {
        let finding = self.0.iter().find(|finding| finding["part"] == part).unwrap_or_else(|| panic!("no {part}"));
        let text = |field: &str| finding[field].as_str().unwrap_or_default();
        (text("state"), text("detail"), text("remedy"))
    }

    /// Fails unless a part is in trouble, its detail says this and its remedy that.
    #[track_caller]
    fn assert_trouble(&self, part: &str, says: &str, remedy_says: &str) {
        let (state, detail, remedy) = self.part(part);
        assert!(
            state == "trouble" && detail.contains(says) && remedy.contains(remedy_says),
            "{part}: {state}, {detail:?}, {remedy:?}"
        );
    }
}

#[test]
fn with_everything_away_each_part_says_so_and_what_to_do() {
    let nowhere = Settings::nowhere();
    let output = nowhere.doctor();
    assert_eq!(output.status.code(), Some(1));
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert_eq!(stderr, "error: in trouble: kafka, postgresql, storefront, analytics; what to do stands beside each\n");
    assert_eq!(stdout.lines().count(), 5, "{stdout}");
    assert!(!stdout.contains("secret"), "{stdout}");
    for line in stdout.lines() {
        assert!(line.contains(" → "), "{line}");
    }

    let findings = nowhere.findings();
    assert_eq!(
        findings.states(),
        [
            ("kafka", "trouble"),
            ("postgresql", "trouble"),
            ("consumer", "warning"),
            ("storefront", "trouble"),
            ("analytics", "trouble")
        ]
    );
    findings.assert_trouble("kafka", "127.0.0.1:1 failed: Connection refused", "KAFKA_BROKERS");
    findings.assert_trouble("postgresql", "Connection refused (os error 111) (127.0.0.1:2/shop)", "DATABASE_URL");
    findings.assert_trouble("storefront", "http://127.0.0.1:3/ does not answer", "`shopwindow storefront`");
    findings.assert_trouble("analytics", "http://127.0.0.1:4/ does not answer", "ANALYTICS_ADDR");
}

#[test]
fn the_addresses_of_a_demo_that_were_not_taken_over_are_hinted_at() {
    let dir = Dir::new();
    std::fs::write(dir.path().join("env"), "export KAFKA_BROKERS='127.0.0.1:5'\n").unwrap();
    let output = Settings::nowhere().with("SHOPWINDOW_DIR", dir.path().display()).doctor();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains(&format!("`. '{}/env'` first?", dir.path().display()).replace("it's", r"it'\''s")),
        "{stderr}"
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("disk"));
}

#[sqlx::test(migrations = false)]
async fn each_wrong_setting_has_a_sentence_of_its_own(pool: PgPool) {
    let settings = Settings::of(&pool);
    let findings = settings.findings();
    let topic = settings.get("KAFKA_TOPIC");
    findings.assert_trouble("kafka", &format!("answers, but topic {topic:?}: it is not there"), "KAFKA_TOPIC");
    assert_eq!(findings.part("postgresql").0, "ok");
    findings.assert_trouble("schema", "migrations are not applied yet", "`shopwindow migrate`");

    let with_database = |change: &dyn Fn(&mut url::Url)| {
        let mut url: url::Url = settings.get("DATABASE_URL").parse().unwrap();
        change(&mut url);
        settings.with("DATABASE_URL", url).findings()
    };
    let findings = with_database(&|url| url.set_password(Some("wrong")).unwrap());
    findings.assert_trouble("postgresql", "password authentication failed", "user and password");
    let findings = with_database(&|url| url.set_path("no_such_database"));
    findings.assert_trouble("postgresql", "database \"no_such_database\" does not exist", "createdb");
    let findings = with_database(&|url| {
        url.query_pairs_mut().append_pair("options", "-c default_transaction_read_only=on");
    });
    findings.assert_trouble("postgresql", "only lets read", "primary");
    let findings = settings.with("DATABASE_URL", "shop.db").findings();
    findings.assert_trouble("postgresql", "DATABASE_URL is not of the form", "postgres://");

    assert!(settings.command("migrate").status().unwrap().success());
    assert_eq!(settings.findings().part("schema").0, "ok");
    sqlx::query("update _sqlx_migrations set version = 9999 where version = 1").execute(&pool).await.unwrap();
    settings.findings().assert_trouble("schema", "migration 9999", "update shopwindow");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_consumer_is_missed_seen_working_and_seen_standing_still(pool: PgPool) {
    let settings = Settings::of(&pool);
    let kafka = settings.kafka();
    kafka.ensure_topic().await.unwrap();
    let producer: FutureProducer = kafka.producer().create().unwrap();
    let publish = async || {
        let record = FutureRecord::<str, str>::to(&kafka.topic).payload("no event").partition(3);
        producer.send(record, std::time::Duration::from_secs(10)).await.unwrap();
    };
    publish().await;
    publish().await;
    let findings = settings.findings();
    assert_eq!(findings.part("kafka").0, "ok");
    findings.assert_trouble("consumer", "no consumer runs", "`shopwindow consumer`");
    findings.assert_trouble("consumer", "2 messages wait", "KAFKA_GROUP");
    assert_eq!(
        findings.part("counts"),
        ("ok", "0 rows wait to be folded in; sums count them already, distinct users and sessions do not", "")
    );

    let consumer = Running::of(settings.command("consumer").stderr(Stdio::null()).spawn().unwrap());
    wait_until("all is stored", || settings.findings().part("consumer").1.ends_with("every message is stored"));
    assert!(settings.findings().part("consumer").1.starts_with("1 consumer in group"));

    let mut lock = pool.begin().await.unwrap();
    sqlx::query("lock table rejected_events").execute(&mut *lock).await.unwrap();
    publish().await;
    let findings = settings.findings();
    findings.assert_trouble("consumer", "stands still: 1 messages wait", "its log");
    findings.assert_trouble("consumer", "1 consumer in group", "DATABASE_URL");

    until_a_doctor_looks(&pool, false).await;
    let watching =
        settings.command("doctor").arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_a_doctor_looks(&pool, true).await;
    lock.rollback().await.unwrap();
    let findings = Findings::of(&watching.wait_with_output().unwrap());
    let (state, detail, _) = findings.part("consumer");
    assert!(state == "ok" && detail.contains("1 messages wait to be stored"), "{state}: {detail}");
    assert!(consumer.end(Signal::SIGTERM).success());

    sqlx::query("update consumer_offsets set next_offset = 7 where partition = 3").execute(&pool).await.unwrap();
    let topic = &kafka.topic;
    let lost = format!("offset 7 of partition 3 of topic {topic:?}, but the log holds 0 to 3");
    settings.findings().assert_trouble("consumer", &lost, "delete from consumer_offsets where cluster_id = '");

    sqlx::query("insert into imports (import_id, file_name) values (gen_random_uuid(), 'product.csv')")
        .execute(&pool)
        .await
        .unwrap();
    let findings = settings.findings();
    assert_eq!(findings.part("imports").0, "warning");
    assert_eq!(json!(findings.part("imports").1), "begun, but no replay runs: product.csv");

    sqlx::query("update imports set state = 'deleting'").execute(&pool).await.unwrap();
    let findings = settings.findings();
    let (state, detail, remedy) = findings.part("imports");
    assert!(
        state == "warning" && detail.ends_with("interrupted, and their rows are still counted: product.csv"),
        "{detail}"
    );
    assert!(remedy.starts_with("run `shopwindow imports delete "), "{remedy}");
}

/// Waits until a doctor is watching how far the topic is stored, or none is connected any more.
async fn until_a_doctor_looks(pool: &PgPool, looks: bool) {
    let begin = std::time::Instant::now();
    let question = "select exists (select from pg_stat_activity where application_name = 'shopwindow doctor'
                     and datname = current_database() and query like '%from consumer_offsets%' and state = 'idle')";
    while looks != sqlx::query_scalar::<_, bool>(question).fetch_one(pool).await.unwrap() {
        assert!(begin.elapsed().as_secs() < 60, "a doctor looks: {}", !looks);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
