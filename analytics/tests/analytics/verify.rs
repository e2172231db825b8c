//! A recount of the events finds what is kept and served to be right after anything that a consumer may
//! meet, and finds each value that is not.

use std::time::{Duration, Instant};

use analytics::Finding;
use chrono::{TimeDelta, Utc};
use events::{Event, EventType, Kafka, SiteVersion};
use migrations::Database;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

const QUARTERS: &str = "events, amount, first and last by cell and quarter of an hour";
const DAYS: &str = "events, amount, first and last by cell and day";
const DAILY_COUNTS: &str = "daily_counts";
const RUNNING_TOTALS: &str = "running totals by cell and day";
const USERS: &str = "users by cell and day";
const NUMBERS: &str = "numbers of users";
const PARTITIONS: &str = "stored, late, rejected and next offset by partition";
const IMPORTS: &str = "stored, rejected and read by import";
const CHUNKS: &str = "events in columns by cell and day";
const SESSIONS: &str = "sessions by day";
const SERVED_SESSIONS: &str = "/api/sessions";
const SERVED: [&str; 9] = [
    "/api/totals",
    "/api/totals by month",
    "/api/breakdown by event_type",
    "/api/breakdown by product",
    "/api/breakdown by site_version",
    "/api/breakdown by source",
    "/api/daily",
    "/api/daily in America/New_York",
    "/api/daily in Asia/Kathmandu",
];
const COUNTED_WINDOWS: [&str; 3] = [
    "/api/windows of 1h each 1h by product",
    "/api/windows of 1h each 30m by product",
    "/api/windows of 1d each 1d by none",
];
const WINDOWS_OF_USERS: &str = "/api/windows of 1h each 1h by user_id of the newest day";
const TODAY: &str = "today's orders";

const IMPORT: Uuid = Uuid::from_u128(7);

/// A topic with a consumer that stores it in the test's database.
struct Stage {
    pool: PgPool,
    kafka: Kafka,
    producer: FutureProducer,
    /// Ends the consumer when a test fails, for which the runtime would wait.
    running: DropGuard,
    consumer: JoinHandle<anyhow::Result<()>>,
}

impl Stage {
    async fn begin(pool: &PgPool, shop_timezone: &str) -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
        let kafka = Kafka::plain(brokers, format!("verify-test-{}", Uuid::new_v4().simple()));
        kafka.ensure_topic().await.unwrap();
        let config = consumer::Config {
            kafka: kafka.clone(),
            database: database(pool),
            group: format!("{}-group", kafka.topic),
            shop_timezone: shop_timezone.into(),
            session_gap: Duration::from_secs(600),
            batch_rows: 100,
            linger_ms: 5,
            max_poll_interval_ms: 300_000,
        };
        let token = CancellationToken::new();
        let consumer = tokio::spawn(consumer::run(config, consumer::Working::default(), token.clone()));
        Self {
            pool: pool.clone(),
            producer: kafka.producer().create().unwrap(),
            kafka,
            running: token.drop_guard(),
            consumer,
        }
    }

    async fn publish(&self, messages: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let sends = messages.into_iter().map(|(key, message)| async move {
            let record = FutureRecord::to(&self.kafka.topic).key(&key).payload(&message);
            self.producer.send(record, Duration::from_secs(10)).await.unwrap();
        });
        futures_util::future::join_all(sends).await;
    }

    /// Publishes the messages, and waits until all of them are handled, all that is kept is folded and the
    /// sessions have caught up.
    async fn store(&self, messages: Vec<(String, Vec<u8>)>) {
        self.publish(messages).await;
        self.until("select coalesce(sum(stored + duplicate + rejected), 0) = 678 from consumer_offsets").await;
        self.until("select not exists (select from event_deltas) and not exists (select from import_deltas)").await;
        self.until("select not exists (select from event_chunks where chunk_id > sessions_to) from settings").await;
    }

    /// Waits until the query says true; fails after 30 s.
    async fn until(&self, sql: &'static str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !sqlx::query_scalar::<_, bool>(sql).fetch_one(&self.pool).await.unwrap() {
            assert!(Instant::now() < deadline, "never true: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) {
        drop(self.running);
        self.consumer.await.unwrap().unwrap();
    }
}

fn database(pool: &PgPool) -> Database {
    Database { url: pool.connect_options().to_url_lossy().to_string() }
}

async fn verify(pool: &PgPool, patience: Duration) -> Vec<Finding> {
    let findings = analytics::verify(&database(pool), patience).await.unwrap();
    assert_eq!(findings.len(), 25);
    findings
}

/// The figures that differ.
async fn different(pool: &PgPool) -> Vec<String> {
    let findings = verify(pool, Duration::from_secs(15)).await;
    assert!(findings.iter().all(|finding| finding.pending.is_none()), "{findings:?}");
    findings.into_iter().filter(|finding| finding.difference > 0).map(|finding| finding.figure).collect()
}

#[track_caller]
fn assert_no_difference(findings: &[Finding]) {
    let different: Vec<_> = findings.iter().filter(|finding| finding.difference > 0).collect();
    assert!(different.is_empty(), "{different:#?}");
}

/// Events of many kinds, times and amounts of five days, some of an import; what is no event; today's
/// orders; and every tenth twice.
fn messages() -> Vec<(String, Vec<u8>)> {
    let mut messages = Vec::new();
    for number in 0..600_u32 {
        // no two of these go in step
        let draw = |below: u32| number.wrapping_mul(2_654_435_761).rotate_left(below) % below;
        let mut event = Event::new(EventType::ALL[draw(8) as usize], format!("user-{}", draw(37)), "test");
        event.event_id = Uuid::from_u128(1_000 + u128::from(number));
        event.occurred_at = "2026-03-27T00:00:00Z".parse().unwrap();
        event.occurred_at += TimeDelta::milliseconds(i64::from(number) * 719_993);
        event.product = [None, Some("clothes"), Some("sneakers")][draw(3) as usize].map(Into::into);
        event.site_version = [None, Some(SiteVersion::Desktop), Some(SiteVersion::Tablet)][draw(3) as usize];
        if draw(2) == 0 {
            event.price = Some(format!("{}.{}", draw(997), draw(89)).parse().unwrap());
            event.currency = [None, Some("EUR")][draw(2) as usize].map(Into::into);
            event.status = [None, Some("COMPLETED"), Some("FRAUD")][draw(3) as usize].map(Into::into);
        }
        event.import_id = (number % 5 == 0).then_some(IMPORT);
        messages.push((event.user_id.to_string(), event.to_json()));
        if number % 10 == 0 {
            messages.extend(messages.last().cloned());
        }
        if number % 100 == 0 {
            event.event_id = Uuid::from_u128(10_000 + u128::from(number));
            event.event_type = EventType::Order;
            event.occurred_at = Utc::now();
            messages.push((event.user_id.to_string(), event.to_json()));
            let of_import = json!({"import_id": IMPORT, "event_type": "cart"});
            messages.push((String::new(), of_import.to_string().into_bytes()));
            messages.push((String::new(), b"no event".to_vec()));
        }
    }
    messages
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn there_is_no_difference_while_a_consumer_stores_and_folds_and_afterwards(pool: PgPool) {
    let stage = Stage::begin(&pool, "Europe/Berlin").await;
    stage.until("select timezone = 'Europe/Berlin' from settings").await;
    assert_no_difference(&verify(&pool, Duration::ZERO).await);

    let messages = messages();
    let count = messages.len() as i64;
    let handled = "select coalesce(sum(stored + duplicate + rejected), 0)::bigint from consumer_offsets";
    let publishing = async {
        for messages in messages.chunks(40) {
            stage.publish(messages.iter().cloned()).await;
        }
    };
    let verifying = async {
        let deadline = Instant::now() + Duration::from_secs(60);
        while sqlx::query_scalar::<_, i64>(handled).fetch_one(&pool).await.unwrap() < count {
            assert_no_difference(&verify(&pool, Duration::ZERO).await);
            assert!(Instant::now() < deadline, "never stored");
        }
    };
    tokio::join!(publishing, verifying);

    let findings = verify(&pool, Duration::from_secs(15)).await;
    assert_no_difference(&findings);
    assert!(findings.iter().all(|finding| finding.pending.is_none() && finding.recount > 0), "{findings:?}");
    stage.until("select not exists (select from import_deltas)").await;
    sqlx::query("update imports set state = 'finished', rows_read = 192").execute(&pool).await.unwrap();
    assert_no_difference(&verify(&pool, Duration::ZERO).await);
    stage.stop().await;

    // two clusters whose topics have one name
    sqlx::query("insert into consumer_offsets select 'another', topic, partition, 0 from consumer_offsets")
        .execute(&pool)
        .await
        .unwrap();
    assert_no_difference(&verify(&pool, Duration::ZERO).await);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sets_of_users_are_pending_where_events_are_not_folded(pool: PgPool) {
    let stage = Stage::begin(&pool, "UTC").await;
    stage.store(messages()).await;
    // whoever holds this lock folds, here nobody
    let mut folding = pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock($1)").bind(0x5368_6f70_0001_i64).execute(&mut *folding).await.unwrap();
    let mut event = Event::new(EventType::Cart, "somebody", "test");
    event.occurred_at = "2026-03-28T10:00:00Z".parse().unwrap();
    event.product = Some("clothes".into());
    stage.publish([("somebody".into(), event.to_json())]).await;
    stage.until("select count(*) = 607 from events").await;

    let findings = verify(&pool, Duration::from_millis(200)).await;
    assert_no_difference(&findings);
    let pending: Vec<_> =
        findings.iter().filter_map(|finding| Some((finding.figure.as_str(), finding.pending.as_deref()?))).collect();
    let lag = |places: &str| {
        format!(
            "users or sessions at {places}, until events from 2026-03-28T10:00:00.000000Z to 2026-03-28T10:00:00.000000Z are folded"
        )
    };
    let lagging = [USERS, SESSIONS, SERVED[0], SERVED[1], SERVED_SESSIONS, SERVED[2], SERVED[3], SERVED[4], SERVED[5]];
    assert_eq!(pending.iter().map(|(figure, _)| *figure).collect::<Vec<_>>(), lagging);
    for (figure, told) in pending {
        let places = match figure {
            "/api/totals" => "2 places",
            // users of one month, sessions of each
            "/api/totals by month" => "3 places",
            _ => "1 place",
        };
        assert_eq!(told, lag(places), "{figure}");
    }
    // the others are compared as ever
    let users_there = "update cell_days set users = decode('3a30000000000000', 'hex') where day = '2026-03-29'";
    sqlx::query(users_there).execute(&pool).await.unwrap();
    let findings = verify(&pool, Duration::ZERO).await;
    assert!(findings[4].difference > 0 && findings[4].pending.is_some(), "{:?}", findings[4]);
    stage.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn figures_that_are_still_to_be_built_are_pending(pool: PgPool) {
    crate::app::store(&pool, json!([{"occurred_at": "2026-03-28T10:00:00Z"}])).await;
    sqlx::query("update settings set timezone = 'Asia/Tokyo'").execute(&pool).await.unwrap();
    let findings = verify(&pool, Duration::ZERO).await;
    // these do not depend on the zone; no consumer counted the event
    let counted = [NUMBERS, PARTITIONS, IMPORTS];
    for finding in &findings {
        assert_eq!(finding.difference > 0, finding.figure == PARTITIONS, "{finding:?}");
        let why = "the kept figures are of UTC and still to be built for Asia/Tokyo, as a consumer does at its start";
        let expected = (!counted.contains(&finding.figure.as_str())).then_some(why);
        assert_eq!(finding.pending.as_deref(), expected, "{}", finding.figure);
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_value_that_is_wrong_is_found(pool: PgPool) {
    let stage = Stage::begin(&pool, "Europe/Berlin").await;
    stage.store(messages()).await;
    stage.stop().await;
    sqlx::raw_sql(
        "update imports set state = 'finished', rows_read = 192;
         create table kept_cell_days as table cell_days;
         create table kept_events as table events;
         create table kept_rejected as table rejected_events;
         create table kept_sessions as table user_sessions;
         create table kept_session_days as table session_days;
         create table kept_chunks as table event_chunks;
         create table kept_numbers as table user_numbers",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(different(&pool).await, [""; 0]);

    // an order's cell and day with several quarters, and an event that no traffic figure counts
    let order = "(day, cell_id) = (select day, cell_id from cell_days join cells using (cell_id)
        where event_type = 'order' and amount is not null and cardinality(events_to) > 2 and day < '2026-04-01'
        order by 1, 2 limit 1)";
    let update = "event_id = (select event_id from events where event_type = 'user_update' and import_id is null
        order by occurred_at offset 3 limit 1)";
    let all_served = || {
        [QUARTERS; 0]
            .into_iter()
            .chain([DAYS, DAILY_COUNTS, RUNNING_TOTALS])
            .chain(SERVED)
            .chain(COUNTED_WINDOWS)
            .collect()
    };
    let sabotages: Vec<(String, Vec<&str>)> = vec![
        (format!("update cell_days set events = events + 1 where {order}"), all_served()),
        (format!("update cell_days set amount = amount + 0.01 where {order}"), all_served()),
        (
            format!("update cell_days set last_at = last_at + interval '1 microsecond' where {order}"),
            vec![DAYS, RUNNING_TOTALS],
        ),
        (
            "update cell_days c set firsts[n] = firsts[n] + 1
             from (
                 select day, cell_id, n from cell_days, generate_series(2, cardinality(firsts) - 1) as n
                 where firsts[n] is not null order by 1, 2, 3 limit 1
             ) within
             where (c.day, c.cell_id) = (within.day, within.cell_id)"
                .into(),
            vec![QUARTERS],
        ),
        (
            "update cell_days set events = events + 1, events_to[cardinality(events_to)] = events_to[cardinality(events_to)] + 1
             where day > '2026-04-01' and cell_id = (select min(cell_id) from cell_days where day > '2026-04-01')"
                .into(),
            [QUARTERS, DAYS, DAILY_COUNTS].into_iter().chain(SERVED).chain(COUNTED_WINDOWS).chain([TODAY]).collect(),
        ),
        // users 0 and 1 only; a set that is none
        (
            format!("update cell_days set users = decode('3a30000001000000000001001000000000000100', 'hex') where {order}"),
            vec![USERS],
        ),
        (format!("delete from events where {update}"), vec![QUARTERS, DAYS, DAILY_COUNTS, USERS, CHUNKS, PARTITIONS]),
        (format!("update events set user_id = 'nobody' where {update}"), vec![USERS, CHUNKS]),
        ("update user_sessions set ended_at = ended_at + interval '1 second' where ctid = (select min(ctid) from user_sessions)".into(), vec![SESSIONS]),
        ("update session_days set sessions = sessions + 1 where day = (select min(day) from session_days)".into(), vec![SERVED[0], SERVED[1], SERVED_SESSIONS]),
        ("update session_days set events = events + 1 where day = (select min(day) from session_days)".into(), vec![SERVED_SESSIONS]),
        ("delete from event_chunks where chunk_id = (select min(chunk_id) from event_chunks)".into(), vec![CHUNKS]),
        ("delete from event_chunks where day = (select max(day) from event_chunks)".into(), vec![CHUNKS, WINDOWS_OF_USERS]),
        ("insert into user_numbers values (gen_random_uuid(), 3)".into(), vec![NUMBERS]),
        (
            "update user_numbers set user_number = case user_number when 5 then 6 else 5 end where user_number in (5, 6)"
                .into(),
            vec![USERS],
        ),
        ("update settings set users = users + 1".into(), vec![NUMBERS]),
        ("update consumer_offsets set stored = stored + 1 where partition = 0".into(), vec![PARTITIONS]),
        ("update consumer_offsets set late = late - 1 where partition = 3".into(), vec![PARTITIONS]),
        ("update consumer_offsets set next_offset = next_offset - 1 where partition = 0".into(), vec![PARTITIONS]),
        ("delete from consumer_offsets where partition = 1".into(), vec![PARTITIONS]),
        (
            "delete from rejected_events where ctid = (select min(ctid) from rejected_events where import_id is null)"
                .into(),
            vec![PARTITIONS],
        ),
        ("update imports set rows_stored = rows_stored - 1".into(), vec![IMPORTS]),
        ("update imports set rows_rejected = rows_rejected + 1".into(), vec![IMPORTS]),
        ("update imports set rows_duplicate = rows_duplicate - 60".into(), vec![IMPORTS]),
    ];
    sqlx::raw_sql("create table kept_offsets as table consumer_offsets; create table kept_imports as table imports; create table kept_settings as table settings")
        .execute(&pool)
        .await
        .unwrap();
    for (sabotage, expected) in sabotages {
        let changed = sqlx::query(AssertSqlSafe(sabotage.clone())).execute(&pool).await.unwrap();
        assert!(changed.rows_affected() > 0, "{sabotage}");
        assert_eq!(different(&pool).await, expected, "{sabotage}");
        sqlx::raw_sql(
            "truncate user_sessions, session_days, event_chunks, cell_days, events, rejected_events, user_numbers, consumer_offsets, imports, settings;
             insert into cell_days table kept_cell_days;
             insert into user_sessions table kept_sessions;
             insert into session_days table kept_session_days;
             insert into event_chunks overriding system value table kept_chunks;
             insert into events table kept_events;
             insert into rejected_events table kept_rejected;
             insert into user_numbers table kept_numbers;
             insert into consumer_offsets table kept_offsets;
             insert into imports table kept_imports;
             insert into settings table kept_settings",
        )
        .execute(&pool)
        .await
        .unwrap();
    }
    assert_eq!(different(&pool).await, [""; 0]);

    let stored = sqlx::query_scalar::<_, i64>("select sum(stored)::bigint from consumer_offsets where partition = 0")
        .fetch_one(&pool)
        .await
        .unwrap();
    sqlx::query("update consumer_offsets set stored = stored + 1 where partition = 0").execute(&pool).await.unwrap();
    sqlx::query("update cell_days set events = events + 1").execute(&pool).await.unwrap();
    let findings = verify(&pool, Duration::ZERO).await;
    let [place] = findings[8].places.as_slice() else { panic!("{:?}", findings[8]) };
    assert!(place.place.ends_with(" 0, stored"), "{place:?}");
    assert_eq!(place.kept, Some((stored + 1).to_string()));
    assert_eq!(place.recount, Some(stored.to_string()));
    // of many places the first are told
    assert_eq!((findings[1].difference, findings[1].places.len()), (findings[1].recount, 20));
}
