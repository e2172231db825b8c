//! What is running, reachable, lagging, full or missing, and what to do.
//!
//! Each part is looked at by itself and within a few seconds, so that one that is away or hangs keeps
//! no other from being told. Nothing is changed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use analytics::checks::{self, Finding, Log, State, Trouble};
use anyhow::bail;
use events::Kafka;
use migrations::{Database, Schema};
use nix::sys::statvfs::statvfs;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::time::{sleep, timeout};

use crate::services;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// How long messages that wait are watched, at least for a rate, at most for any to be stored.
const WATCH: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// A fold takes this many rows in a second or so; more of them means that none takes place.
const MANY_DELTAS: i64 = 100_000;

/// Little room: the smaller of a share and a size; and so little that writing soon fails.
const LITTLE_ROOM: (f64, u64) = (0.05, 1 << 30);
const NO_ROOM: u64 = 100 << 20;

/// What the doctor looks at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print an array of {part, state, detail, remedy}
    #[arg(long, env = "DOCTOR_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    json: bool,

    #[command(flatten)]
    kafka: Kafka,

    /// Consumer group that should have members
    #[arg(long = "kafka-group", env = "KAFKA_GROUP", default_value = "shopwindow")]
    group: String,

    #[command(flatten)]
    database: Database,

    /// Address of the shop, host:port
    #[arg(long, env = "STOREFRONT_ADDR", default_value = "127.0.0.1:8080")]
    storefront_addr: String,

    /// Address of the charts page, host:port
    #[arg(long, env = "ANALYTICS_ADDR", default_value = "127.0.0.1:8050")]
    analytics_addr: String,

    #[command(flatten)]
    services: services::Config,
}

/// Looks at every part and prints a line for each. Fails when one of them is in trouble.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut findings, storefront, analytics) = tokio::join!(
        servers(args),
        service("storefront", &args.storefront_addr),
        service("analytics", &args.analytics_addr),
    );
    findings.extend([storefront, analytics]);
    findings.extend(disk(&args.services.dir));

    if args.json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for Finding { part, state, detail, remedy } in &findings {
            let state = match state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Trouble => "trouble",
            };
            let remedy = remedy.as_ref().map(|remedy| format!(" → {remedy}")).unwrap_or_default();
            println!("{state:<8} {part:<11} {detail}{remedy}");
        }
    }
    let ill: Vec<_> = findings.iter().filter(|f| f.state == State::Trouble).map(|f| f.part.as_str()).collect();
    if ill.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let env = args.services.dir.join("env");
    let other = fs::read_to_string(&env)
        .is_ok_and(|text| !text.contains(&args.kafka.brokers) || !text.contains(&args.database.url));
    let hint = if other {
        let quoted = env.display().to_string().replace('\'', r"'\''");
        format!("; a demo has written other addresses: `. '{quoted}'` first?")
    } else {
        String::new()
    };
    bail!("in trouble: {}; what to do stands beside each{hint}", ill.join(", "))
}

/// Kafka, PostgreSQL, and what goes from one to the other.
async fn servers(args: &Args) -> Vec<Finding> {
    let (log, database) = tokio::join!(checks::log(&args.kafka, PATIENCE), connect(&args.database));
    let mut findings = vec![match &log {
        Ok(log) => {
            let Kafka { topic, brokers, .. } = &args.kafka;
            Finding::ok("kafka", format!("topic {topic:?} has {} partitions, at {brokers}", log.partitions.len()))
        }
        Err(trouble) => Finding::trouble("kafka", trouble.clone()),
    }];
    let mut connection = match database {
        Ok((connection, place)) => {
            findings.push(Finding::ok("postgresql", format!("takes rows, at {place}")));
            connection
        }
        Err(trouble) => {
            findings.push(Finding::trouble("postgresql", trouble));
            findings.push(unknown("consumer", if log.is_ok() { "PostgreSQL" } else { "Kafka and PostgreSQL" }));
            return findings;
        }
    };
    let schema = match answer(migrations::schema(&mut connection)).await {
        Ok(schema) => schema_finding(schema),
        Err(trouble) => Finding::trouble("schema", trouble),
    };
    let usable = schema.state == State::Ok;
    findings.push(schema);
    findings.push(match &log {
        Err(_) => unknown("consumer", "Kafka"),
        Ok(_) if !usable => unknown("consumer", "the schema"),
        Ok(log) => consumer(args, log, &mut connection).await.unwrap_or_else(|t| Finding::trouble("consumer", t)),
    });
    if usable {
        findings.push(counts(&mut connection).await.unwrap_or_else(|trouble| Finding::trouble("counts", trouble)));
        findings.extend(imports(&mut connection).await.unwrap_or_else(|t| vec![Finding::trouble("imports", t)]));
    }
    findings
}

/// A part that cannot be looked at before another is mended.
fn unknown(part: &str, first: &str) -> Finding {
    Finding::warning(part, Trouble::new("cannot be told", format!("mend {first} first")))
}

/// What PostgreSQL answers, unless it takes too long.
async fn answer<T>(asked: impl Future<Output = sqlx::Result<T>>) -> Result<T, Trouble> {
    match timeout(PATIENCE, asked).await {
        Ok(answered) => answered.map_err(|error| checks::explain(&error)),
        Err(_) => Err(Trouble::new(
            format!("PostgreSQL does not answer within {} s", PATIENCE.as_secs_f64()),
            "see that it runs where DATABASE_URL says, and what keeps it busy in pg_stat_activity",
        )),
    }
}

/// Connects, and writes a little to a table of its own; returns where, too.
async fn connect(database: &Database) -> Result<(PgConnection, String), Trouble> {
    let options = database.options("shopwindow doctor").map_err(|error| {
        Trouble::new(format!("{error:#}"), "set DATABASE_URL as in postgres://user:password@host:port/database")
    })?;
    let place = place(&options);
    let connected = answer(async {
        let mut connection = options.connect().await?;
        let read_only = sqlx::query_scalar!(r#"select current_setting('transaction_read_only') = 'on' as "on!""#);
        if read_only.fetch_one(&mut connection).await? {
            return Ok(Err(Trouble::new(
                "PostgreSQL only lets read",
                "set DATABASE_URL to the primary server, and default_transaction_read_only to off",
            )));
        }
        // a megabyte, for a full disk shows when a file must grow
        let probe = "begin; create temp table doctor on commit drop as select md5(n::text) from generate_series(1, 16384) n; \
                     rollback";
        sqlx::raw_sql(probe).execute(&mut connection).await?;
        Ok(Ok(connection))
    });
    match connected.await.flatten() {
        Ok(connection) => Ok((connection, place)),
        Err(trouble) => Err(Trouble::new(format!("{} ({place})", trouble.detail), trouble.remedy)),
    }
}

/// Where the options lead to: host, port and database, never the password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

fn schema_finding(schema: Schema) -> Finding {
    match schema {
        Schema::Current => Finding::ok("schema", "all migrations are applied"),
        Schema::Behind(missing) => Finding::trouble(
            "schema",
            Trouble::new(format!("{missing} migrations are not applied yet"), "run `shopwindow migrate`"),
        ),
        Schema::Ahead(version) => Finding::trouble(
            "schema",
            Trouble::new(
                format!("migration {version} is applied, which this version of shopwindow does not know"),
                "update shopwindow here to the version that the services run",
            ),
        ),
        Schema::Changed(version) => Finding::trouble(
            "schema",
            Trouble::new(
                format!("migration {version} was applied with other contents"),
                "use the version of shopwindow that applied it, or a database of its own",
            ),
        ),
    }
}

/// Whether a consumer runs, how many messages wait for it, and whether it takes them.
async fn consumer(args: &Args, log: &Log, connection: &mut PgConnection) -> Result<Finding, Trouble> {
    let topic = &args.kafka.topic;
    let began = Instant::now();
    let (members, stored) = tokio::join!(members(args), answer(checks::stored(&mut *connection, topic)));
    let stored = stored?;
    let waiting = checks::backlog(&args.kafka, log, &stored, PATIENCE).await?;
    let begin = checks::position(log, &stored);
    let mut moved = 0;
    while waiting.messages > 0 && (began.elapsed() < WATCH[0] || moved == 0 && began.elapsed() < WATCH[1]) {
        sleep(Duration::from_millis(250)).await;
        moved = checks::position(log, &answer(checks::stored(&mut *connection, topic)).await?) - begin;
    }

    let group = &args.group;
    let here = match members {
        Some(1) => format!("1 consumer in group {group:?}"),
        Some(members) => format!("{members} consumers in group {group:?}"),
        None => format!("Kafka does not tell who is in group {group:?}"),
    };
    let messages = waiting.messages;
    if members == Some(0) && moved == 0 {
        return Ok(Finding::trouble(
            "consumer",
            Trouble::new(
                format!("no consumer runs: {here}, and {messages} messages wait to be stored"),
                "run `shopwindow consumer` with these KAFKA_* and DATABASE_URL; if one runs under another group, set \
                 KAFKA_GROUP",
            ),
        ));
    }
    if messages == 0 {
        return Ok(Finding::ok("consumer", format!("{here}; every message is stored")));
    }
    if moved == 0 {
        return Ok(Finding::trouble(
            "consumer",
            Trouble::new(
                format!(
                    "stands still: {messages} messages wait to be stored, and none was for {} s; {here}",
                    WATCH[1].as_secs()
                ),
                "its log says what it waits for; see that its DATABASE_URL and KAFKA_TOPIC are these",
            ),
        ));
    }
    let rate = moved as f64 / began.elapsed().as_secs_f64();
    let seconds = messages as f64 / rate;
    let lag = format!("{here}; {messages} messages wait to be stored, {rate:.0} a second are: {seconds:.0} s to go");
    Ok(if waiting.long {
        let remedy = "wait, or start another `shopwindow consumer`, which shares the partitions";
        Finding::warning("consumer", Trouble::new(format!("lags: {lag}"), remedy))
    } else {
        Finding::ok("consumer", lag)
    })
}

/// How many members the consumer group has; none when Kafka does not say.
async fn members(args: &Args) -> Option<usize> {
    let (kafka, group) = (args.kafka.clone(), args.group.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let asker: BaseConsumer = kafka.client().create().ok()?;
        let list = asker.fetch_group_list(Some(&group), PATIENCE).ok()?;
        Some(list.groups().iter().map(|group| group.members().len()).sum())
    });
    asked.await.ok().flatten()
}

/// What consumers appended and nobody has folded into the counts yet; readers sum both.
async fn counts(connection: &mut PgConnection) -> Result<Finding, Trouble> {
    let waiting = sqlx::query_scalar!(
        r#"select (select count(*) from event_deltas) + (select count(*) from import_deltas) as "waiting!""#
    );
    let waiting = answer(waiting.fetch_one(connection)).await?;
    let detail =
        format!("{waiting} rows wait to be folded in; sums count them already, distinct users and sessions do not");
    Ok(if waiting > MANY_DELTAS {
        let remedy = "start a consumer, which folds them; if one runs, its log says why it does not";
        Finding::warning("counts", Trouble::new(detail, remedy))
    } else {
        Finding::ok("counts", detail)
    })
}

/// Imports whose replay or deletion was killed.
async fn imports(connection: &mut PgConnection) -> Result<Vec<Finding>, Trouble> {
    let left = sqlx::query!(
        r#"select import_id, coalesce(file_name, import_id::text) as "name!", state = 'deleting' as "deleting!"
           from imports
           where state in ('running', 'deleting') and not exists (
               select from pg_stat_activity
               where application_name = case state when 'running' then 'shopwindow replay' else 'shopwindow imports' end
                   and datname = current_database()
           )
           order by started_at"#
    );
    let left = answer(left.fetch_all(connection)).await?;
    let (deleting, running): (Vec<_>, Vec<_>) = left.into_iter().partition(|import| import.deleting);
    let mut findings = Vec::new();
    if !running.is_empty() {
        let names: Vec<_> = running.into_iter().map(|import| import.name).collect();
        let detail = format!("begun, but no replay runs: {}", names.join(", "));
        let remedy = "replay the file again: it goes on from where it was; `shopwindow imports delete ID` takes out what is stored of it";
        findings.push(Finding::warning("imports", Trouble::new(detail, remedy)));
    }
    if !deleting.is_empty() {
        let names: Vec<_> = deleting.iter().map(|import| import.name.as_str()).collect();
        let detail = format!("their deletion was interrupted, and their rows are still counted: {}", names.join(", "));
        let commands: Vec<_> =
            deleting.iter().map(|import| format!("`shopwindow imports delete {}`", import.import_id)).collect();
        findings.push(Finding::warning("imports", Trouble::new(detail, format!("run {}", commands.join(", ")))));
    }
    Ok(findings)
}

/// Asks a service whether it is ready.
async fn service(part: &str, addr: &str) -> Finding {
    let url = format!("http://{addr}/readyz");
    let (status, body) = match ask(&url).await {
        Ok(answered) => answered,
        Err(error) => {
            let mut cause: &dyn Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            let remedy = format!("run `shopwindow {part}`, or set {}_ADDR to where it listens", part.to_uppercase());
            return Finding::trouble(part, Trouble::new(format!("http://{addr}/ does not answer: {cause}"), remedy));
        }
    };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let away = || body["away"].as_array().into_iter().flatten();
    let text = |away: &Value, field: &str| away[field].as_str().unwrap_or_default().to_owned();
    match (status, body["away"].is_array()) {
        (200, _) if body.is_object() => Finding::ok(part, format!("ready at http://{addr}/")),
        (_, true) => {
            let details: Vec<_> = away().map(|it| format!("{}: {}", text(it, "part"), text(it, "detail"))).collect();
            let remedies: Vec<_> = away().map(|it| text(it, "remedy")).collect();
            Finding::trouble(part, Trouble::new(format!("not ready: {}", details.join("; ")), remedies.join("; ")))
        }
        _ => Finding::trouble(
            part,
            Trouble::new(
                format!("what answers at http://{addr}/ is no {part}: {url} gives {status}"),
                format!("set {}_ADDR to where it listens", part.to_uppercase()),
            ),
        ),
    }
}

async fn ask(url: &str) -> reqwest::Result<(u16, String)> {
    // a proxy has no business between us
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(4)).build()?;
    let response = client.get(url).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// The room that is left for the directory's Kafka and PostgreSQL, if it is there and little is.
fn disk(dir: &Path) -> Option<Finding> {
    // no such directory: the servers are elsewhere
    let stat = statvfs(dir).ok()?;
    let [free, size] = [stat.blocks_available(), stat.blocks()].map(|blocks| blocks * stat.fragment_size());
    let (share, least) = LITTLE_ROOM;
    let little = free < least || (free as f64) < share * size as f64;
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let detail = format!("{:.1} of {:.1} GB are free where {} is", gigabytes(free), gigabytes(size), dir.display());
    let trouble = || Trouble::new(&*detail, "make room there, before Kafka and PostgreSQL cannot write any more");
    Some(match (free < NO_ROOM, little) {
        (true, _) => Finding::trouble("disk", trouble()),
        (false, true) => Finding::warning("disk", trouble()),
        (false, false) => Finding::ok("disk", detail),
    })
}
