//! From a profile to rows: what is simulated goes through a real Kafka and a consumer into a real PostgreSQL.
//!
//! Needs `KAFKA_BROKERS` and `DATABASE_URL`, as `make test` sets them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, FromArgMatches};
use events::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use simulate::Summary;
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A topic and a database of a test's own, and a consumer between them.
struct Stage {
    pool: PgPool,
    kafka: Kafka,
    consumer: JoinHandle<anyhow::Result<()>>,
    token: CancellationToken,
}

fn configured<C: Args + FromArgMatches>(arguments: &[&str]) -> C {
    let command = C::augment_args(clap::Command::new("test").no_binary_name(true));
    C::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

fn own_topic() -> Kafka {
    let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
    Kafka::plain(brokers, format!("simulate-test-{}", Uuid::new_v4().simple()))
}

/// As the command does.
async fn simulate(kafka: &Kafka, arguments: &[&str]) -> anyhow::Result<Summary> {
    let own = ["--quiet", "--kafka-brokers", &kafka.brokers, "--kafka-topic", &kafka.topic];
    simulate::run(&configured(&[&own, arguments].concat()), CancellationToken::new()).await
}

impl Drop for Stage {
    /// A test that fails does not wait for its consumer for ever.
    fn drop(&mut self) {
        self.token.cancel();
    }
}

impl Stage {
    async fn new(pool: PgPool) -> Self {
        let kafka = own_topic();
        kafka.ensure_topic().await.unwrap();
        let url = pool.connect_options().to_url_lossy();
        let config = ["--kafka-brokers", &kafka.brokers, "--kafka-topic", &kafka.topic, "--database-url", url.as_str()];
        let config: consumer::Config = configured(&config);
        let token = CancellationToken::new();
        let consumer = tokio::spawn(consumer::run(config, consumer::Working::default(), token.clone()));
        Self { pool, kafka, consumer, token }
    }

    async fn simulate(&self, arguments: &[&str]) -> Summary {
        simulate(&self.kafka, arguments).await.unwrap()
    }

    /// Publishes messages as they are, each after the one before.
    async fn publish(&self, messages: &[Value]) {
        let producer: FutureProducer = self.kafka.producer().create().unwrap();
        for message in messages {
            let payload = message.to_string();
            let record =
                FutureRecord::to(&self.kafka.topic).key(message["user_id"].as_str().unwrap()).payload(&payload);
            producer.send(record, Duration::from_secs(10)).await.unwrap();
        }
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    /// Waits until the query gives the number; fails after 30 s with what it gave last.
    async fn until(&self, sql: &'static str, expected: i64) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let number = self.number(sql).await;
            if number == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} still gives {number}, not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_handled(&self, messages: i64) {
        self.until("select coalesce(sum(stored + duplicate + rejected), 0)::bigint from consumer_offsets", messages)
            .await;
    }

    /// Every row of a query as an array of what is in its columns.
    async fn rows(&self, query: &str) -> Value {
        let wrapped = format!(
            "select coalesce(json_agg((select json_agg(value) from json_each(row_to_json(q)))), '[]') from ({query}) q"
        );
        let mut connection = self.pool.acquire().await.unwrap();
        sqlx::query("set timezone to 'UTC'").execute(&mut *connection).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(wrapped)).fetch_one(&mut *connection).await.unwrap()
    }

    async fn assert_nothing_differs(&self) {
        let database = migrations::Database { url: self.pool.connect_options().to_url_lossy().into() };
        for finding in analytics::verify(&database, Duration::from_secs(30)).await.unwrap() {
            assert_eq!(finding.difference, 0, "{finding:?}");
        }
    }

    async fn stop(mut self) {
        self.token.cancel();
        (&mut self.consumer).await.unwrap().unwrap();
    }
}

/// What is on the topic: partition, key and value of each message, in the order of the partitions.
fn messages(kafka: &Kafka, count: usize) -> Vec<(i32, Vec<u8>, Vec<u8>)> {
    let reader: BaseConsumer =
        kafka.client().set("group.id", "none").set("enable.auto.commit", "false").create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..events::PARTITIONS {
        all.add_partition_offset(&kafka.topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&all).unwrap();
    let mut messages = Vec::new();
    while messages.len() < count {
        let message = reader.poll(Duration::from_secs(10)).expect("a message in time").unwrap();
        messages.push((message.partition(), message.key().unwrap().to_vec(), message.payload().unwrap().to_vec()));
    }
    messages.sort_by_key(|(partition, ..)| *partition);
    messages
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_every_profile_simulates_is_stored_once_and_counted_right(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let profiles = ["shop", "orders", "tv", "clickstream"];
    for profile in profiles {
        let arguments = ["--profile", profile, "--rate", "20000", "--count", "1500", "--seed", "11"];
        let summary = stage.simulate(&arguments).await;
        assert_eq!((summary.published, summary.seed), (1_500, 11));
    }
    stage.until_handled(6_000).await;
    assert_eq!(stage.number("select count(*) from events where source = 'simulator'").await, 6_000);
    // the same seed makes the same events again
    stage.simulate(&["--profile", "clickstream", "--rate", "20000", "--count", "1000", "--seed", "11"]).await;
    stage.until_handled(7_000).await;
    assert_eq!(stage.number("select sum(duplicate)::bigint from consumer_offsets").await, 1_000);
    assert_eq!(stage.number("select count(*) from events").await, 6_000);
    // they happened when they were published
    assert_eq!(stage.number("select count(*) from events where stored_at - occurred_at > interval '1 hour'").await, 0);
    stage.assert_nothing_differs().await;
    // those whom a simulator knows are known
    let nine = "select count(*) from users where user_id ~ '^User_[1-9]$' and region like 'Region_%'
                 and registered_at between '2017-02-21' and '2018-02-23'";
    assert_eq!(stage.number(nine).await, 9);
    let unknown = "select count(*) from events e where event_type in ('product_view', 'cart')
                   and not exists (select from users u where u.user_id = e.user_id and u.gender = e.gender)";
    assert_eq!(stage.number(unknown).await, 0);
    let joined = stage.rows("select sum(orders) from sales_by_region_and_gender where region is not null").await;
    assert_eq!(
        joined,
        stage.rows("select count(*) from events where event_type = 'order' and user_id like 'User%'").await
    );
    stage.stop().await;
}

#[tokio::test]
async fn the_same_seed_and_start_put_the_same_bytes_on_the_topic() {
    for profile in ["shop", "orders", "tv", "clickstream"] {
        let (first, second) = (own_topic(), own_topic());
        let arguments = ["--profile", profile, "--seed", "5", "--count", "500", "--start", "2026-03-01T00:00:00Z"];
        simulate(&first, &[&arguments[..], &["--rate", "20000"]].concat()).await.unwrap();
        simulate(&second, &[&arguments[..], &["--rate", "5000"]].concat()).await.unwrap();
        let read = tokio::task::spawn_blocking(move || (messages(&first, 500), messages(&second, 500)));
        let (first, second) = read.await.unwrap();
        assert_eq!(first, second, "{profile}");
    }
}

#[tokio::test]
async fn who_is_told_to_stop_says_what_was_published() {
    let kafka = own_topic();
    kafka.ensure_topic().await.unwrap();
    let token = CancellationToken::new();
    let own = ["--quiet", "--kafka-brokers", &kafka.brokers, "--kafka-topic", &kafka.topic, "--rate", "1000"];
    let config = configured(&own);
    let running = tokio::spawn({
        let token = token.clone();
        async move { simulate::run(&config, token).await }
    });
    let first = kafka.clone();
    tokio::task::spawn_blocking(move || messages(&first, 50)).await.unwrap();
    token.cancel();
    let summary = running.await.unwrap().unwrap();
    let published = summary.published as usize;
    assert!(published >= 50);
    tokio::task::spawn_blocking(move || messages(&kafka, published)).await.unwrap();
}

/// A `user_update` at a second of 2026-03-01.
fn update(id: u128, user: &str, second: u32, more: Value) -> Value {
    let mut message = json!({
        "event_id": Uuid::from_u128(id), "event_type": "user_update", "user_id": user, "source": "test",
        "occurred_at": format!("2026-03-01T00:00:{second:02}Z"),
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_latest_update_of_a_user_wins_in_any_order_and_after_redelivery(pool: PgPool) {
    let stage = Stage::new(pool).await;
    // the longest id there may be
    let long = "\u{10348}".repeat(events::MAX_TEXT_CHARS);
    let old = update(1, "ann", 1, json!({ "region": "Region_1", "gender": "FEMALE" }));
    let new = update(2, "ann", 2, json!({ "region": "Region_2" }));
    // two at the same moment: the greater id is the later one
    let [lesser, greater] = [3, 4].map(|id| update(id, "bob", 5, json!({ "region": format!("Region_{id}") })));
    stage.publish(&[new.clone(), old.clone(), greater.clone(), lesser.clone(), update(5, &long, 1, json!({}))]).await;
    stage.until_handled(5).await;
    let users = "select left(user_id, 3), region, gender, updated_at from users order by user_id collate \"C\"";
    let expected = json!([
        ["ann", "Region_2", null, "2026-03-01T00:00:02+00:00"],
        ["bob", "Region_4", null, "2026-03-01T00:00:05+00:00"],
        ["\u{10348}\u{10348}\u{10348}", null, null, "2026-03-01T00:00:01+00:00"],
    ]);
    assert_eq!(stage.rows(users).await, expected);
    stage.publish(&[old, lesser, greater, new]).await;
    stage.until_handled(9).await;
    assert_eq!(stage.rows(users).await, expected);
    // what an import told goes with its rows
    sqlx::query("delete from events where event_id = $1").bind(Uuid::from_u128(2)).execute(&stage.pool).await.unwrap();
    let ann = stage.rows("select region, gender from users where user_id = 'ann'").await;
    assert_eq!(ann, json!([["Region_1", "FEMALE"]]));
    stage.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn users_of_a_file_are_stored_and_then_order(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let file = own_file(
        "\u{feff}registertime,userid,regionid,gender,shoe\n1491293306724,u1,Region_8,MALE,44\n,u2,\"Region, 9\",,\n",
    );
    let path = file.to_str().unwrap().to_owned();
    stage.simulate(&["--profile", "orders", "--users", &path, "--rate", "20000", "--count", "200"]).await;
    stage.until_handled(200).await;
    assert_eq!(
        stage.rows("select user_id, region, gender, registered_at, attributes from users order by user_id").await,
        json!([
            [
                "u1",
                "Region_8",
                "MALE",
                "2017-04-04T08:08:26.724+00:00",
                { "shoe": 44, "registertime": 1_491_293_306_724_u64 }
            ],
            ["u2", "Region, 9", null, null, null],
        ])
    );
    assert_eq!(stage.number("select count(*) from events where user_id not in ('u1', 'u2')").await, 0);
    assert_eq!(stage.number("select count(*) from events where event_type = 'user_update'").await, 2);
    std::fs::remove_file(file).unwrap();
    stage.stop().await;
}

#[tokio::test]
async fn an_unusable_file_of_users_is_told_before_anything_is_published() {
    for (csv, expected) in [
        ("name,region\nx,y\n", "no column \"user_id\" among name, region"),
        ("user_id,region\n", "no user below the header"),
        ("user_id,region\nu1,a\n,b\n", "line 3: no user id"),
        ("user_id,region\nu1,a,b\n", "is damaged"),
    ] {
        let file = own_file(csv);
        let problem =
            simulate(&Kafka::plain("127.0.0.1:1", "none"), &["--profile", "orders", "--users", file.to_str().unwrap()])
                .await
                .unwrap_err();
        let problem = format!("{problem:#}");
        assert!(problem.contains(expected) && problem.contains(file.to_str().unwrap()), "{problem}");
        std::fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn a_start_at_which_nothing_may_occur_is_refused() {
    for start in ["1999-12-31T23:59:59Z", "2999-01-01T00:00:00Z"] {
        let problem = simulate(&Kafka::plain("127.0.0.1:1", "none"), &["--start", start]).await.unwrap_err();
        assert!(problem.to_string().starts_with("--start "), "{problem}");
    }
}

fn own_file(content: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("simulate-{}.csv", Uuid::new_v4()));
    std::fs::write(&file, content).unwrap();
    file
}

/// As the five queries of the system with these tables are tested: rows that go in, rows that must come out.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn cleaned_and_joined_rows_are_the_expected_ones(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let event = |id: u128, kind: &str, user: &str, time: &str, more: Value| {
        let mut message = json!({
            "event_id": Uuid::from_u128(id), "event_type": kind, "user_id": user, "source": "test", "occurred_at": time,
        });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let who =
        |time: u64, region: &str, gender: &str| json!({ "registertime": time, "region": region, "gender": gender });
    let order = |product: &str, price: &str, quantity: u32, status: &str| json!({ "product": product, "price": price, "quantity": quantity, "status": status });
    let input = [
        // an order may come before its user is known
        event(1, "order", "User_1", "2026-03-01T08:00:00Z", order("Tablet", "318.12", 3, "Shipped")),
        event(2, "user_update", "User_1", "2026-03-01T09:00:00Z", who(1_491_293_306_724, "Region_8", "MALE")),
        event(3, "user_update", "User_2", "2026-03-01T09:00:00Z", who(1_519_273_364_600, "Region_1", "OTHER")),
        event(4, "user_update", "User_2", "2026-03-01T09:30:00Z", who(1_519_273_364_600, "Region_8", "OTHER")),
        event(5, "order", "User_1", "2026-03-01T10:00:00Z", order("Keyboard", "20.10", 1, "Completed")),
        event(6, "order", "User_2", "2026-03-01T10:00:00Z", order("Camera", "300.00", 2, "Pending")),
        event(7, "order", "User_2", "2026-03-01T10:05:00+02:00", order("Laptop", "1999.99", 1, "FRAUD")),
        event(8, "order", "User_9", "2026-03-01T10:10:00Z", order("Printer", "0.10", 3, "Shipped")),
        event(9, "page_view", "User_2", "2026-03-01T12:00:00+01:00", json!({ "page_id": "Page_97" })),
        event(10, "page_view", "User_1", "2026-03-01T11:00:00.5Z", json!({ "page_id": "Page_22" })),
    ];
    stage.publish(&input).await;
    stage.until_handled(10).await;
    for (query, output) in [
        (
            "select user_id, region, gender, registered_at from users order by user_id",
            json!([
                ["User_1", "Region_8", "MALE", "2017-04-04T08:08:26.724+00:00"],
                ["User_2", "Region_8", "OTHER", "2018-02-22T04:22:44.6+00:00"],
            ]),
        ),
        (
            "select viewed_at, user_id, page_id from page_views order by viewed_at",
            json!([
                ["2026-03-01T11:00:00+00:00", "User_2", "Page_97"],
                ["2026-03-01T11:00:00.5+00:00", "User_1", "Page_22"],
            ]),
        ),
        (
            "select occurred_at, user_id, region, gender, product, amount::text, revenue::text
             from orders_with_users order by event_id",
            json!([
                ["2026-03-01T08:00:00+00:00", "User_1", "Region_8", "MALE", "Tablet", "954.36", "954.36"],
                ["2026-03-01T10:00:00+00:00", "User_1", "Region_8", "MALE", "Keyboard", "20.10", "20.10"],
                ["2026-03-01T10:00:00+00:00", "User_2", "Region_8", "OTHER", "Camera", "600.00", "600.00"],
                ["2026-03-01T08:05:00+00:00", "User_2", "Region_8", "OTHER", "Laptop", "1999.99", null],
                ["2026-03-01T10:10:00+00:00", "User_9", null, null, "Printer", "0.30", "0.30"],
            ]),
        ),
        (
            "select region, gender, currency, orders, revenue::text, per_order::text
             from sales_by_region_and_gender order by revenue",
            json!([
                [null, null, "USD", 1, "0.30", "0.30"],
                ["Region_8", "OTHER", "USD", 2, "600.00", "600.00"],
                ["Region_8", "MALE", "USD", 2, "974.46", "487.23"],
            ]),
        ),
    ] {
        assert_eq!(stage.rows(query).await, output, "{query}");
    }
    stage.stop().await;
}
