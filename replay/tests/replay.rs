//! From a CSV file to messages on a topic of Kafka and to rows of PostgreSQL.
//!
//! What the consumer does is played here by [`store_all`]: it moves the stored offsets and counts
//! the import's rows, which is all that a replay sees of it.
//!
//! Needs `KAFKA_BROKERS` and `DATABASE_URL`, as `make test` sets them.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use events::{Event, Kafka};
use flate2::Compression;
use flate2::write::GzEncoder;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{Offset, TopicPartitionList};
use replay::{Config, Summary};
use sqlx::{ConnectOptions, PgPool, Row};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const HEADER: &str = "order_id,user_id,page_id,product,site_version,time,title,target\n";

/// A record of Kafka: key and value.
type Record = (String, String);

/// A directory, a topic and a database for one test.
struct Bench {
    directory: PathBuf,
    kafka: Kafka,
    pool: PgPool,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Bench {
    fn new(pool: PgPool) -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
        let name = format!("replay-{}", Uuid::now_v7());
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).unwrap();
        Self { directory, kafka: Kafka::plain(brokers, name), pool }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn config(&self, file: PathBuf) -> Config {
        Config {
            file,
            rate: None,
            as_live: false,
            tz: chrono_tz::UTC,
            limit: None,
            keep_products: false,
            format: None,
            map: Vec::new(),
            source: None,
            json: false,
            kafka: self.kafka.clone(),
            database: migrations::Database { url: self.pool.connect_options().to_url_lossy().into() },
        }
    }

    /// Replays with everything stored as it comes.
    async fn replay(&self, config: &Config) -> anyhow::Result<Summary> {
        let storing = tokio::spawn(store_all(self.kafka.clone(), self.pool.clone()));
        let result = timeout(Duration::from_secs(30), replay::run(config, CancellationToken::new())).await;
        storing.abort();
        result.expect("the replay ends")
    }

    /// What is on the topic, sorted by value.
    async fn messages(&self) -> Vec<Record> {
        let kafka = self.kafka.clone();
        tokio::task::spawn_blocking(move || read_topic(&kafka)).await.unwrap()
    }

    async fn count(&self) -> i64 {
        let kafka = self.kafka.clone();
        tokio::task::spawn_blocking(move || ends(&reader(&kafka), &kafka.topic).iter().sum()).await.unwrap()
    }

    async fn import_of(&self, id: Uuid) -> (String, i64, i64, i64, bool) {
        sqlx::query_as(
            "select state, rows_read, rows_published, rows_rejected, finished_at is not null
             from imports where import_id = $1",
        )
        .bind(id)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}

fn reader(kafka: &Kafka) -> BaseConsumer {
    kafka.client().set("group.id", "none").set("enable.auto.commit", "false").create().unwrap()
}

/// The end of each partition of the topic; none while there is no topic, or while it is being made.
fn ends(reader: &BaseConsumer, topic: &str) -> Vec<i64> {
    let within = Duration::from_secs(5);
    let metadata = reader.fetch_metadata(Some(topic), within).unwrap();
    let partitions = metadata.topics()[0].partitions();
    let end =
        |partition: &MetadataPartition| reader.fetch_watermarks(topic, partition.id(), within).map(|(_, end)| end);
    partitions.iter().map(end).collect::<Result<_, _>>().unwrap_or_default()
}

fn read_topic(kafka: &Kafka) -> Vec<Record> {
    let reader = reader(kafka);
    let ends = ends(&reader, &kafka.topic);
    let mut all = TopicPartitionList::new();
    for partition in 0..ends.len() {
        all.add_partition_offset(&kafka.topic, partition as i32, Offset::Beginning).unwrap();
    }
    reader.assign(&all).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let mut messages = Vec::new();
    while messages.len() < ends.iter().sum::<i64>() as usize {
        let message = reader.poll(Duration::from_secs(5)).expect("a message in time").unwrap();
        messages.push((text(message.key()), text(message.payload())));
    }
    messages.sort_by(|a, b| a.1.cmp(&b.1));
    messages
}

/// Says that everything on the topic is stored, again and again.
async fn store_all(kafka: Kafka, pool: PgPool) {
    store(kafka, pool, i64::MAX).await;
}

/// Stores `per_second` messages a second, all of them new and of the import that is running.
async fn store(kafka: Kafka, pool: PgPool, per_second: i64) {
    const TICK: Duration = Duration::from_millis(50);
    let kafka_reader = std::sync::Arc::new(reader(&kafka));
    let mut stored = Vec::new();
    let before: i64 = total_stored(&pool).await;
    loop {
        let (ends, cluster_id) = tokio::task::spawn_blocking({
            let (reader, topic) = (kafka_reader.clone(), kafka.topic.clone());
            move || (ends(&reader, &topic), reader.client().fetch_cluster_id(Duration::from_secs(5)).unwrap())
        })
        .await
        .unwrap();
        stored.resize(ends.len(), 0);
        let mut quota = per_second / 20;
        let mut transaction = pool.begin().await.unwrap();
        for (partition, end) in ends.iter().enumerate() {
            let step = quota.min(end - stored[partition]);
            quota -= step;
            stored[partition] += step;
            sqlx::query(
                "insert into consumer_offsets (cluster_id, topic, partition, next_offset) values ($1, $2, $3, $4)
                 on conflict (cluster_id, topic, partition) do update set next_offset = excluded.next_offset",
            )
            .bind(&cluster_id)
            .bind(&kafka.topic)
            .bind(partition as i32)
            .bind(stored[partition])
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        sqlx::query("update imports set rows_stored = $1 where state = 'running'")
            .bind(stored.iter().sum::<i64>() - before)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        sleep(TICK).await;
    }
}

/// Messages of the topic that are stored.
async fn total_stored(pool: &PgPool) -> i64 {
    let sum = sqlx::query_scalar("select coalesce(sum(next_offset), 0)::bigint from consumer_offsets");
    sum.fetch_one(pool).await.unwrap()
}

/// Waits until `condition` holds, but not for ever.
async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// As many good rows, each of another user, as the body of a file.
fn rows(count: u64) -> String {
    (1..=count)
        .map(|n| format!("{n:032x},user{n},page{n},clothes,mobile,2019-05-01 12:00:00,banner_show,0\n"))
        .collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_row_becomes_the_message_of_its_event(pool: PgPool) {
    let bench = Bench::new(pool);
    let file = bench.file(
        "product.csv",
        format!(
            "{HEADER}\
             00000000000000000000000000000001,u1,p1,sneakers,desktop,2019-01-01 00:00:03,banner_show,0\n\
             00000000000000000000000000000002,u1,p1,sneakers,desktop,2019-01-01 00:01:00,banner_click,0\r\n\
             \n\
             \"00000000000000000000000000000003\",u2,p2,company,mobile,2019-05-31 23:59:58,order,1"
        ),
    );
    let mut config = bench.config(file);
    config.tz = chrono_tz::Europe::Berlin;
    let summary = bench.replay(&config).await.unwrap();

    let id = summary.import_id;
    let message = |n: u32, user: &str, rest: &str| {
        (
            user.to_owned(),
            format!(
                "{{\"event_id\":\"00000000-0000-0000-0000-{n:012}\",{},\"import_id\":\"{id}\"}}",
                rest.replace('\'', "\"")
            ),
        )
    };
    assert_eq!(
        bench.messages().await,
        [
            message(
                1,
                "u1",
                "'event_type':'banner_show','occurred_at':'2018-12-31T23:00:03Z','user_id':'u1',\
                 'source':'product.csv','page_id':'p1','product':'sneakers','site_version':'desktop'"
            ),
            message(
                2,
                "u1",
                "'event_type':'banner_click','occurred_at':'2018-12-31T23:01:00Z','user_id':'u1',\
                 'source':'product.csv','page_id':'p1','product':'sneakers','site_version':'desktop'"
            ),
            message(
                3,
                "u2",
                "'event_type':'order','occurred_at':'2019-05-31T21:59:58Z','user_id':'u2',\
                 'source':'product.csv','page_id':'p2','product':'electronics','site_version':'mobile'"
            ),
        ]
    );
    let figures = (summary.read, summary.published, summary.stored, summary.duplicate, summary.rejected);
    assert_eq!(figures, (3, 3, 3, 0, 0));
    assert_eq!(bench.import_of(id).await, ("finished".to_owned(), 3, 3, 0, true));
    let origin: (String, String, i64, String, bool) =
        sqlx::query_as("select file_name, format, file_bytes, timezone, as_live from imports")
            .fetch_one(&bench.pool)
            .await
            .unwrap();
    let bytes = fs::metadata(bench.directory.join("product.csv")).unwrap().len() as i64;
    assert_eq!(origin, ("product.csv".into(), "product-csv".into(), bytes, "Europe/Berlin".into(), false));
    assert_eq!(summary.rejected_file, None);
    assert_eq!(fs::read_dir(&bench.directory).unwrap().count(), 1, "no file where nothing was rejected");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn lines_that_are_no_events_are_kept_with_their_reason_and_place(pool: PgPool) {
    let bench = Bench::new(pool);
    let good = rows(4);
    let good: Vec<&str> = good.lines().collect();
    let bad: [&[u8]; 4] = [
        b"0000000000000000000000000000000a,u,p,clothes,mobile,2019-02-30 12:00:00,banner_show,0",
        b"\"no end,u,p,clothes,mobile,2019-02-20 12:00:00,banner_show,0",
        b"0000000000000000000000000000000c,u\xff,p,clothes,mobile,2019-02-20 12:00:00,banner_show,0",
        b"too,few",
    ];
    let mut lines = vec![HEADER.trim_end().as_bytes()];
    for (good, bad) in good.iter().zip(bad) {
        lines.push(good.as_bytes());
        lines.push(bad);
    }
    let file = bench.file("product.csv.gz", lines.join(&b'\n'));
    let summary = bench.replay(&bench.config(file)).await.unwrap();

    let figures = (summary.read, summary.published, summary.stored, summary.duplicate, summary.rejected);
    assert_eq!(figures, (8, 4, 4, 0, 4));
    assert_eq!(bench.import_of(summary.import_id).await, ("finished".to_owned(), 8, 4, 4, true));
    let kept = sqlx::query(
        "select source, import_id, line, event_id, reason, payload from rejected_events where topic is null order by line",
    )
    .fetch_all(&bench.pool)
    .await
    .unwrap();
    let expected = [
        (3, Some(Uuid::from_u128(10)), "time: \"2019-02-30 12:00:00\" is not a time as YYYY-MM-DD HH:MM:SS"),
        (5, None, "field 1: the quote is not closed on this line"),
        (7, Some(Uuid::from_u128(12)), "not UTF-8: invalid utf-8 sequence of 1 bytes from index 34"),
        (9, None, "2 fields instead of 8"),
    ];
    assert_eq!(kept.len(), 4);
    for ((kept, (line, event_id, reason)), raw) in kept.into_iter().zip(expected).zip(bad) {
        assert_eq!(kept.get::<i64, _>("line"), line);
        assert_eq!(kept.get::<Option<Uuid>, _>("event_id"), event_id);
        assert_eq!(kept.get::<&str, _>("reason"), reason);
        assert_eq!(kept.get::<&[u8], _>("payload"), raw);
        assert_eq!(kept.get::<&str, _>("source"), "product.csv");
        assert_eq!(kept.get::<Uuid, _>("import_id"), summary.import_id);
    }
    let rejected = bench.directory.join("product.rejected.csv");
    assert_eq!(summary.rejected_file.as_deref(), Some(rejected.as_path()));
    let mut mendable = vec![HEADER.trim_end().as_bytes()];
    mendable.extend(bad);
    assert_eq!(fs::read(&rejected).unwrap(), [mendable.join(&b'\n'), b"\n".to_vec()].concat());

    // the file is one that can be replayed, and is not written over meanwhile
    let again = bench.replay(&bench.config(rejected.clone())).await.unwrap();
    assert_eq!((again.read, again.published, again.rejected), (4, 0, 4));
    assert_eq!(again.rejected_file, Some(bench.directory.join("product.rejected.rejected.csv")));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn without_a_consumer_publishing_stops_and_goes_on_when_there_is_one(pool: PgPool) {
    let bench = Bench::new(pool);
    let config = bench.config(bench.file("product.csv", format!("{HEADER}{}", rows(30_000))));
    let token = CancellationToken::new();
    let replaying = tokio::spawn({
        let token = token.clone();
        async move { replay::run(&config, token).await }
    });
    eventually("the first rows are published", async || bench.import_rows().await == Some(2_000)).await;
    // the longest that a message may wait, and more
    sleep(Duration::from_secs(3)).await;
    assert_eq!(bench.count().await, 2_000);

    let storing = tokio::spawn(store(bench.kafka.clone(), bench.pool.clone(), 10_000));
    let mut most_waiting = 0;
    while !replaying.is_finished() {
        let stored = total_stored(&bench.pool).await;
        most_waiting = most_waiting.max(bench.count().await - stored);
        sleep(Duration::from_millis(20)).await;
    }
    storing.abort();
    assert_eq!(replaying.await.unwrap().unwrap().stored, 30_000);
    // two seconds of storing, and some uncertainty of the test's own
    assert!(most_waiting < 22_000, "{most_waiting} rows ahead of a consumer that stores 10,000 a second");
}

impl Bench {
    async fn import_rows(&self) -> Option<i64> {
        sqlx::query_scalar("select rows_published from imports").fetch_optional(&self.pool).await.unwrap()
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn as_live_rows_happen_when_they_are_published_at_the_rate_asked_for(pool: PgPool) {
    let bench = Bench::new(pool);
    let mut config = bench.config(bench.file("product.csv", format!("{HEADER}{}", rows(100))));
    config.as_live = true;
    config.rate = 40.try_into().ok();
    config.limit = Some(61);
    let began = chrono::Utc::now();
    let summary = bench.replay(&config).await.unwrap();
    assert_eq!((summary.read, summary.stored), (61, 61));
    let messages = bench.messages().await;
    let mut happened: Vec<_> = messages
        .iter()
        .map(|(_, json)| {
            let event = Event::decode(json.as_bytes(), Some(chrono::Utc::now())).unwrap();
            let row = event.user_id.strip_prefix("user").unwrap();
            assert_eq!(event.event_id, Uuid::new_v5(&summary.import_id, row.as_bytes()));
            (row.parse::<u32>().unwrap(), event.occurred_at)
        })
        .collect();
    happened.sort_unstable();
    assert!(happened[0].1 >= began - chrono::TimeDelta::milliseconds(1));
    for (place, (row, at)) in happened.iter().enumerate() {
        assert_eq!(*row as usize, place + 1);
        let late = (*at - happened[0].1).num_milliseconds() - place as i64 * 25;
        assert!((-25..=200).contains(&late), "row {row} is {late} ms late");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_file_that_is_cut_short_is_an_error_after_its_rows_are_stored(pool: PgPool) {
    let bench = Bench::new(pool);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(format!("{HEADER}{}", rows(10_000)).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let half = packed.len() / 2;
    let file = bench.file("product.csv.gz", &packed[..half]);
    let error = bench.replay(&bench.config(file)).await.unwrap_err().to_string();

    let published = bench.count().await;
    assert!((2_000..8_000).contains(&published), "{published}");
    let place = format!("product.csv.gz is cut short after line {}, at byte {half} of {half} (", published + 1);
    assert!(error.contains(&place), "{error}\nnot {place}");
    assert!(error.contains(&format!("read {published}, published {published}, stored {published}, ")), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let state: String = sqlx::query_scalar("select state from imports").fetch_one(&bench.pool).await.unwrap();
    assert_eq!(state, "failed");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_replay_that_is_interrupted_says_how_far_it_came(pool: PgPool) {
    let bench = Bench::new(pool);
    let mut config = bench.config(bench.file("product.csv", format!("{HEADER}bad\n{}", rows(100_000))));
    config.rate = 1_000.try_into().ok();
    let token = CancellationToken::new();
    let replaying = tokio::spawn({
        let token = token.clone();
        async move { replay::run(&config, token).await }
    });
    eventually("some rows are published", async || bench.import_rows().await > Some(100)).await;
    token.cancel();
    let error = timeout(Duration::from_secs(5), replaying).await.unwrap().unwrap().unwrap_err().to_string();

    let published = bench.count().await;
    assert!(error.starts_with(&format!("interrupted when {published} rows of ")), "{error}");
    assert!(error.ends_with("running it again goes on from there"), "{error}");
    let id: Uuid = sqlx::query_scalar("select import_id from imports").fetch_one(&bench.pool).await.unwrap();
    assert_eq!(bench.import_of(id).await, ("interrupted".to_owned(), published + 1, published, 1, true));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_that_nobody_accounts_for_are_an_error(pool: PgPool) {
    let bench = Bench::new(pool);
    let config = bench.config(bench.file("product.csv", format!("{HEADER}{}", rows(10))));
    sqlx::raw_sql(
        "create rule lose as on update to imports where new.rows_stored > old.rows_stored do instead nothing",
    )
    .execute(&bench.pool)
    .await
    .unwrap();
    let error = bench.replay(&config).await.unwrap_err().to_string();
    assert!(error.starts_with("of 10 rows read, 0 are accounted for: "), "{error}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_file_that_cannot_be_replayed_leaves_no_import_behind(pool: PgPool) {
    let bench = Bench::new(pool);
    let wrong = HEADER.replace("user_id", "userid");
    for (file, expected) in [
        (bench.file("wrong.csv", wrong + &rows(1)), "column 2 of the header is \"userid\", expected \"user_id\""),
        (bench.file("empty.csv", ""), "is empty"),
        (bench.directory.clone(), "is a directory"),
        (bench.directory.join("none.csv"), "there is no such file"),
    ] {
        let error = bench.replay_alone(&file).await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&file.display().to_string()), "{error}");
    }
    assert_eq!(bench.import_rows().await, None);
}

impl Bench {
    async fn replay_alone(&self, file: &Path) -> anyhow::Result<Summary> {
        replay::run(&self.config(file.to_owned()), CancellationToken::new()).await
    }
}
