//! Topic in, rows out: a real Kafka and a real PostgreSQL, a topic and a database for each test.
//!
//! Needs `KAFKA_BROKERS` and `DATABASE_URL`, as `make test` sets them.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use events::{Event, EventType, Kafka, SiteVersion};
use rdkafka::producer::{FutureProducer, FutureRecord};
use roaring::RoaringBitmap;
use serde_json::json;
use sqlx::postgres::PgListener;
use sqlx::{ConnectOptions, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A topic and a database, and consumers between them.
struct Stage {
    pool: PgPool,
    kafka: Kafka,
    producer: FutureProducer,
}

struct Running {
    token: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn stop(self) {
        self.token.cancel();
        self.task.await.expect("no panic").expect("a clean stop");
    }
}

impl Stage {
    async fn new(pool: PgPool) -> Self {
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one");
        let kafka = Kafka::plain(brokers, format!("consumer-test-{}", Uuid::new_v4().simple()));
        kafka.ensure_topic().await.expect("a topic");
        let producer = kafka.producer().create().expect("a producer");
        Self { pool, kafka, producer }
    }

    fn start(&self) -> Running {
        self.start_with(|_| {})
    }

    fn start_with(&self, change: impl FnOnce(&mut consumer::Config)) -> Running {
        let mut config = consumer::Config {
            kafka: self.kafka.clone(),
            database: migrations::Database { url: self.pool.connect_options().to_url_lossy().to_string() },
            group: format!("{}-group", self.kafka.topic),
            shop_timezone: "UTC".into(),
            session_gap: Duration::from_secs(600),
            batch_rows: 1_000,
            linger_ms: 5,
            max_poll_interval_ms: 300_000,
        };
        change(&mut config);
        let token = CancellationToken::new();
        Running { task: tokio::spawn(consumer::run(config, consumer::Working::default(), token.clone())), token }
    }

    /// Publishes and returns partition and offset.
    async fn publish(&self, key: &str, message: impl AsRef<[u8]>) -> (i32, i64) {
        let record = FutureRecord::to(&self.kafka.topic).key(key).payload(message.as_ref());
        let delivery = self.producer.send(record, Duration::from_secs(10)).await.expect("delivered");
        (delivery.partition, delivery.offset)
    }

    async fn publish_all<'e>(&self, events: impl IntoIterator<Item = &'e Event<'static>>) {
        let sends = events.into_iter().map(|event| async move { self.publish(&event.user_id, event.to_json()).await });
        futures_util::future::join_all(sends).await;
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    async fn text(&self, sql: &'static str) -> String {
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

    /// Every kept figure equals a recount of the rows.
    async fn assert_counts_equal_a_recount(&self) {
        let differences = self
            .number(
                "with kept as (
                     select event_type, product, site_version, source, currency, quarter, sum(events)::bigint as events,
                         sum(amount) as amount, min(first_at) as first_at, max(last_at) as last_at
                     from quarter_cells join cells using (cell_id) group by 1, 2, 3, 4, 5, 6
                 ), recount as (
                     select event_type, product, site_version, source,
                         case when revenue(e) is not null then currency end as currency,
                         floor(extract(epoch from occurred_at) / 900)::int as quarter, count(*) as events,
                         sum(revenue(e)) as amount, min(occurred_at) as first_at, max(occurred_at) as last_at
                     from events e group by 1, 2, 3, 4, 5, 6
                 ), kept_days as (
                     select * from daily_counts
                 ), recounted_days as (
                     select (occurred_at at time zone shop_timezone())::date, event_type, product, site_version, source,
                         count(*) as events, case when revenue(e) is not null then currency end, sum(revenue(e))
                     from events e group by 1, 2, 3, 4, 5, 7
                 )
                 select (select count(*) from (table kept except table recount) a)
                      + (select count(*) from (table recount except table kept) b)
                      + (select count(*) from (table kept_days except table recounted_days) c)
                      + (select count(*) from (table recounted_days except table kept_days) d)",
            )
            .await;
        assert_eq!(differences, 0, "kept figures differ from a recount");
    }

    /// When all is folded, the set of users of each cell and day is those of its rows; a number is one user.
    async fn assert_users_equal_a_recount(&self) {
        let keys: HashMap<Vec<u8>, u32> =
            sqlx::query_as::<_, (Uuid, i64)>("select user_key, user_number from user_numbers")
                .fetch_all(&self.pool)
                .await
                .expect("numbers")
                .into_iter()
                .map(|(key, number)| (key.as_bytes().to_vec(), number as u32))
                .collect();
        assert_eq!(keys.values().collect::<HashSet<_>>().len(), keys.len());
        let kept: Vec<(Vec<u8>, Vec<Vec<u8>>)> = sqlx::query_as(
            "select c.users, k.keys from cell_days c left join (
                 select c.cell_id, (e.occurred_at at time zone shop_timezone())::date as day, array_agg(distinct user_key(e.user_id)) as keys
                 from events e join cells c on c.event_type = e.event_type
                     and c.product is not distinct from e.product
                     and c.site_version is not distinct from e.site_version
                     and c.source = e.source
                     and c.currency is not distinct from case when revenue(e) is not null then e.currency end
                 group by 1, 2
             ) k using (cell_id, day)",
        )
        .fetch_all(&self.pool)
        .await
        .expect("sets");
        assert!(!kept.is_empty());
        for (set, rows) in kept {
            let set = RoaringBitmap::deserialize_from(set.as_slice()).expect("a bitmap");
            assert_eq!(set, rows.iter().map(|key| keys[key]).collect());
        }
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn event(event_type: EventType, user: usize) -> Event<'static> {
    let mut event = Event::new(event_type, format!("user-{user}"), "test");
    event.product = Some("clothes".into());
    event.site_version = Some(SiteVersion::Mobile);
    event
}

/// Events of many kinds, times and amounts; the same for a seed.
fn assortment(count: usize, seed: u64) -> Vec<Event<'static>> {
    let mut state = seed;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|number| {
            let mut event = event(EventType::ALL[draw(8) as usize], draw(50) as usize);
            event.event_id = Uuid::from_u128((u128::from(seed) << 64) | number as u128);
            event.occurred_at = at("2026-03-27T00:00:00Z") + TimeDelta::milliseconds(draw(4 * 86_400_000) as i64);
            event.product = [None, Some("clothes"), Some("sneakers")][draw(3) as usize].map(Into::into);
            event.site_version = [None, Some(SiteVersion::Desktop), Some(SiteVersion::Tablet)][draw(3) as usize];
            if draw(2) == 0 {
                event.price = Some(format!("{}.{:02}", draw(1000), draw(100)).parse().expect("a price"));
                event.currency = [None, Some("EUR")][draw(2) as usize].map(Into::into);
                event.status =
                    [None, Some("COMPLETED"), Some("Failed_Checkout"), Some("FRAUD")][draw(4) as usize].map(Into::into);
            }
            event
        })
        .collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_is_stored_with_all_it_holds(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start();
    let message = json!({
        "event_id": "cfcd2084-95d5-65ef-66e7-dff9f98764da", "event_type": "order",
        "occurred_at": "2019-01-11T10:24:43.5+01:00", "user_id": "üser", "source": "test", "session_id": "s",
        "page_id": "p", "product": "sneakers", "site_version": "tablet", "order_id": "o", "product_id": "1234567890123456789",
        "product_name": "Runner\t\"2\"\n", "brand": "b", "category": "c", "price": 19.99, "quantity": 3, "currency": "EUR",
        "status": "COMPLETED", "payment_method": "card", "order_type": "ONLINE", "country": "USA", "state": "Ohio",
        "city": "Los Ángeles", "latitude": 40.76046814557239, "longitude": -73.97764793953105, "traffic_source": "Direct",
        "device": "Mobile", "os": "iOS", "gender": "F", "age_group": "25-34", "membership_level": "Gold",
        "region": "Region_8", "screen_size": "55", "display_type": "LED", "resolution": "4K",
        "import_id": "00000000-0000-0000-0000-000000000007", "campaign": {"id": 9007199254740993_u64, "tags": ["a", null]}
    });
    let (partition, offset) = stage.publish("üser", message.to_string()).await;
    stage.until("select count(*) from events", 1).await;

    let mut stored: serde_json::Value =
        sqlx::query_scalar("select jsonb_strip_nulls(to_jsonb(e)) from events e").fetch_one(&stage.pool).await.unwrap();
    let row = stored.as_object_mut().unwrap();
    assert!(row.remove("stored_at").is_some());
    assert_eq!(row.remove("topic"), Some(json!(stage.kafka.topic)));
    assert_eq!(row.remove("partition"), Some(json!(partition)));
    assert_eq!(row.remove("offset"), Some(json!(offset)));
    assert_eq!(row.remove("amount"), Some(json!(59.97)));
    // jsonb_strip_nulls reaches into the attributes, so these are compared by themselves
    row.remove("attributes");
    let mut expected = message.clone();
    expected["occurred_at"] = json!("2019-01-11T09:24:43.5+00:00");
    expected.as_object_mut().unwrap().remove("campaign");
    assert_eq!(stored, expected);
    assert_eq!(
        stage.text("select (attributes #>> '{campaign,id}') || jsonb_array_length(attributes #> '{campaign,tags}') from events").await,
        "90071992547409932"
    );
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_message_that_is_no_event_is_kept_and_the_ones_around_it_are_stored(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let good: Vec<_> = (0..6).map(|_| event(EventType::BannerShow, 1)).collect();
    let bad: [(&str, Vec<u8>); 5] = [
        ("not JSON", b"hello\0".to_vec()),
        ("user_id: missing or null", br#"{"event_id":"00000000-0000-0000-0000-000000000001","event_type":"order","occurred_at":"2026-01-01T00:00:00Z","source":"shop"}"#.to_vec()),
        ("user_id: holds a NUL", br#"{"event_id":"00000000-0000-0000-0000-000000000002","event_type":"order","occurred_at":"2026-01-01T00:00:00Z","source":"shop","user_id":"a\u0000"}"#.to_vec()),
        ("occurred_at: \"99999-", br#"{"event_id":"00000000-0000-0000-0000-000000000003","event_type":"order","occurred_at":"99999-01-01T00:00:00Z","source":"shop","user_id":"a"}"#.to_vec()),
        ("not UTF-8", b"{\"user_id\":\"\xff\"}".to_vec()),
    ];
    let mut places = Vec::new();
    for (event, (_, message)) in good.iter().zip(&bad) {
        stage.publish("user-1", event.to_json()).await;
        places.push(stage.publish("user-1", message).await);
    }
    stage.publish("user-1", good[5].to_json()).await;
    let tombstone = FutureRecord::<str, [u8]>::to(&stage.kafka.topic).key("user-1");
    stage.producer.send(tombstone, Duration::from_secs(10)).await.unwrap();

    let running = stage.start();
    stage.until_handled(12).await;
    assert_eq!(stage.number("select count(*) from events").await, 6);
    type Kept = (String, i32, i64, Option<Uuid>, Option<String>, Vec<u8>);
    let kept: Vec<Kept> = sqlx::query_as(
        r#"select reason, partition, "offset", event_id, source, payload from rejected_events order by "offset""#,
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    assert_eq!(kept.len(), 6);
    for (((reason, message), place), row) in bad.iter().zip(&places).zip(&kept) {
        assert!(row.0.starts_with(reason), "{} is not {reason}…", row.0);
        assert_eq!(((row.1, row.2), &row.5), (*place, message));
    }
    assert_eq!((kept[1].3, kept[1].4.as_deref()), (Some(Uuid::from_u128(1)), Some("shop")));
    assert_eq!((kept[5].0.as_str(), kept[5].5.len()), ("the message has no value", 0));
    assert_eq!(stage.number("select sum(rejected)::bigint from consumer_offsets").await, 6);
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_that_postgresql_refuses_is_kept_and_the_others_are_stored(pool: PgPool) {
    let stage = Stage::new(pool).await;
    // no event that passes our own checks is known to be refused, so the table is made stricter
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$
             begin raise exception 'too long' using errcode = 'string_data_right_truncation'; end $$;
         create trigger refuse before insert on events for each row when (new.brand = 'too long') execute function refuse()",
    )
    .execute(&stage.pool)
    .await
    .unwrap();
    for few in [3, 400] {
        let mut events = assortment(few, few as u64);
        events[1].brand = Some("too long".into());
        stage.publish_all(&events).await;
    }
    let running = stage.start();
    stage.until_handled(403).await;
    assert_eq!(stage.number("select count(*) from events").await, 401);
    assert_eq!(
        stage.number("select count(*) from rejected_events where reason like 'PostgreSQL refuses it: %'").await,
        2
    );
    assert!(
        stage
            .text("select string_agg(convert_from(payload, 'UTF8'), '') from rejected_events")
            .await
            .contains("too long")
    );
    stage.assert_counts_equal_a_recount().await;
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_published_twice_is_stored_once_and_the_first_copy_wins(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let first = assortment(100, 1);
    stage.publish_all(&first).await;
    let running = stage.start();
    stage.until_handled(100).await;

    let mut later = first.clone();
    for event in &mut later {
        event.product = Some("something else".into());
        // another key goes to another partition: only the id tells
        event.user_id = format!("{}-again", event.user_id).into();
    }
    later.extend(assortment(50, 2));
    later.extend(assortment(50, 2));
    stage.publish_all(&later).await;
    stage.until_handled(300).await;
    running.stop().await;

    assert_eq!(stage.number("select count(*) from events").await, 150);
    assert_eq!(stage.number("select count(*) from events where product = 'something else'").await, 0);
    assert_eq!(stage.number("select sum(duplicate)::bigint from consumer_offsets").await, 150);
    stage.assert_counts_equal_a_recount().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn kept_figures_equal_a_recount_before_and_after_they_are_folded(pool: PgPool) {
    let stage = Stage::new(pool).await;
    // 17 digits before the point and 10 behind it: their sum has more digits than the decimal type
    let mut huge = assortment(1, 9)[0].clone();
    huge.event_type = EventType::Order;
    huge.status = None;
    huge.amount = Some("12345678901234567.0123456789".parse().unwrap());
    let mut tiny = huge.clone();
    tiny.event_id = Uuid::from_u128(3);
    tiny.amount = Some("0.00000000000000000001".parse().unwrap());
    stage.publish_all([&huge, &tiny]).await;
    stage.publish_all(&assortment(2_000, 3)).await;
    let running = stage.start_with(|config| config.shop_timezone = "Europe/Berlin".into());
    let mut checks = 0;
    while stage.number("select count(*) from events").await < 2_002 {
        stage.assert_counts_equal_a_recount().await;
        checks += 1;
        assert!(checks < 10_000, "never stored");
    }
    stage.until("select count(*) from event_deltas", 0).await;
    assert!(stage.number("select count(*) from quarter_cells").await > 300);
    stage.assert_counts_equal_a_recount().await;
    stage.assert_users_equal_a_recount().await;
    running.stop().await;

    // the clock went forward in Berlin on the 29th; another zone's days are other days
    let running = stage.start_with(|config| config.shop_timezone = "Asia/Kathmandu".into());
    stage.until("select count(*) from settings where timezone = 'Asia/Kathmandu'", 1).await;
    stage.assert_counts_equal_a_recount().await;
    stage.assert_users_equal_a_recount().await;
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn stopping_and_starting_at_any_moment_loses_and_doubles_nothing(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let events = assortment(3_000, 4);
    let publishing = stage.publish_all(&events);
    let restarting = async {
        for round in 0..8_u64 {
            let running = stage.start_with(|config| config.batch_rows = 50);
            tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
            if round % 2 == 0 {
                running.stop().await;
            } else {
                // as abrupt as it gets within a process: whatever it was doing is dropped
                running.task.abort();
                running.token.cancel();
            }
        }
    };
    tokio::join!(publishing, restarting);
    let running = stage.start();
    stage.until_handled(3_000).await;
    running.stop().await;
    assert_eq!(stage.number("select count(*) from events").await, 3_000);
    assert_eq!(stage.number("select sum(duplicate + rejected)::bigint from consumer_offsets").await, 0);
    assert_eq!(stage.number("select sum(next_offset)::bigint from consumer_offsets").await, 3_000);
    stage.assert_counts_equal_a_recount().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn several_consumers_share_the_partitions(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let first = stage.start_with(|config| config.batch_rows = 100);
    stage.publish_all(&assortment(2_000, 5)).await;
    let second = stage.start_with(|config| config.batch_rows = 100);
    stage.publish_all(&assortment(2_000, 6)).await;
    // the same events by two ways at once: consumers meet at the same ids
    stage.publish_all(&assortment(2_000, 6)).await;
    stage.until_handled(6_000).await;
    first.stop().await;
    stage.publish_all(&assortment(500, 7)).await;
    stage.until_handled(6_500).await;
    second.stop().await;
    assert_eq!(stage.number("select count(*) from events").await, 4_500);
    assert_eq!(stage.number("select sum(duplicate)::bigint from consumer_offsets").await, 2_000);
    stage.assert_counts_equal_a_recount().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_consumer_whose_offset_was_moved_stores_nothing_and_reads_on_from_there(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start();
    let (partition, _) = stage.publish("user-1", event(EventType::Cart, 1).to_json()).await;
    stage.until("select count(*) from events", 1).await;
    // another consumer has, as far as the database knows, stored the next message already
    sqlx::query("update consumer_offsets set next_offset = 2 where partition = $1")
        .bind(partition)
        .execute(&stage.pool)
        .await
        .unwrap();
    let skipped = event(EventType::Cart, 1);
    let read = event(EventType::Order, 1);
    stage.publish("user-1", skipped.to_json()).await;
    stage.publish("user-1", read.to_json()).await;
    stage.until("select count(*) from events where event_type = 'order'", 1).await;
    assert_eq!(stage.number("select count(*) from events").await, 2);
    assert_eq!(stage.number("select max(next_offset) from consumer_offsets").await, 3);
    stage.assert_counts_equal_a_recount().await;
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_offset_that_the_log_does_not_hold_is_a_loud_stop(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start();
    let (partition, _) = stage.publish("user-1", event(EventType::Cart, 1).to_json()).await;
    stage.until("select count(*) from events", 1).await;
    running.stop().await;
    sqlx::query("update consumer_offsets set next_offset = 100 where partition = $1")
        .bind(partition)
        .execute(&stage.pool)
        .await
        .unwrap();
    let error = stage.start().task.await.expect("no panic").expect_err("a loud stop").to_string();
    assert!(error.contains("is offset 100 of partition"), "{error}");
    assert!(error.contains("the log holds 0 to 1"), "{error}");
    assert!(error.contains("delete from consumer_offsets"), "{error}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_unknown_zone_is_refused(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start_with(|config| config.shop_timezone = "Mars/Olympus".into());
    let error = running.task.await.expect("no panic").expect_err("no such zone").to_string();
    assert!(error.contains("\"Mars/Olympus\" is no zone"), "{error}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn connections_that_break_lose_and_double_nothing(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start_with(|config| config.batch_rows = 50);
    let events = assortment(3_000, 8);
    let breaking = async {
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            sqlx::query(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'shopwindow consumer'",
            )
            .execute(&stage.pool)
            .await
            .unwrap();
        }
    };
    tokio::join!(stage.publish_all(&events), breaking);
    stage.until_handled(3_000).await;
    running.stop().await;
    assert_eq!(stage.number("select count(*) from events").await, 3_000);
    assert_eq!(stage.number("select sum(duplicate)::bigint from consumer_offsets").await, 0);
    stage.assert_counts_equal_a_recount().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_locked_database_is_waited_for_within_bounded_memory(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start_with(|config| config.batch_rows = 50);
    stage.publish_all(&assortment(10, 10)).await;
    stage.until_handled(10).await;
    let mut lock = stage.pool.begin().await.unwrap();
    sqlx::query("lock table events").execute(&mut *lock).await.unwrap();
    stage.publish_all(&assortment(1_000, 11)).await;
    // longer than the consumer waits before it pauses its partitions
    tokio::time::sleep(Duration::from_secs(7)).await;
    lock.rollback().await.unwrap();
    stage.until_handled(1_010).await;
    assert_eq!(stage.number("select count(*) from events").await, 1_010);
    assert_eq!(stage.number("select sum(duplicate)::bigint from consumer_offsets").await, 0);
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn listeners_hear_of_a_stored_event_within_a_second(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let running = stage.start();
    stage.publish("user-1", event(EventType::Cart, 1).to_json()).await;
    stage.until_handled(1).await;
    let mut listener = PgListener::connect_with(&stage.pool).await.unwrap();
    listener.listen("events_stored").await.unwrap();
    stage.publish("user-1", event(EventType::BannerClick, 1).to_json()).await;
    let notice = tokio::time::timeout(Duration::from_secs(1), listener.recv()).await.expect("in time").unwrap();
    let notice: serde_json::Value = serde_json::from_str(notice.payload()).unwrap();
    assert_eq!(notice["events"], 1);
    let stored_at: DateTime<Utc> = notice["stored_at"].as_str().unwrap().parse().unwrap();
    let in_table: DateTime<Utc> =
        sqlx::query_scalar("select max(stored_at) from events").fetch_one(&stage.pool).await.unwrap();
    assert_eq!(stored_at, in_table);
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn late_events_and_imports_are_counted(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let mut late = event(EventType::Cart, 1);
    late.occurred_at -= TimeDelta::seconds(90);
    let mut imported = late.clone();
    imported.event_id = Uuid::from_u128(1);
    imported.import_id = Some(Uuid::from_u128(7));
    let punctual = event(EventType::Cart, 1);
    stage.publish_all([&late, &imported, &imported, &punctual]).await;
    let broken = json!({"import_id": Uuid::from_u128(7), "event_type": "cart"}).to_string();
    stage.publish("user-1", broken).await;
    let running = stage.start();
    stage.until_handled(5).await;
    assert_eq!(stage.number("select sum(late)::bigint from consumer_offsets").await, 1);
    stage
        .until("select count(*) from imports where (rows_stored, rows_duplicate, rows_rejected) = (1, 1, 1) and import_id::text like '%7'", 1)
        .await;
    assert_eq!(stage.number("select count(*) from import_deltas").await, 0);
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_original_systems_queries_run_on_its_view(pool: PgPool) {
    let stage = Stage::new(pool).await;
    let mut order = event(EventType::Order, 1);
    order.event_id = "cfcd2084-95d5-65ef-66e7-dff9f98764da".parse().unwrap();
    order.occurred_at = at("2019-01-31T18:30:00Z");
    let mut show = event(EventType::BannerShow, 2);
    show.occurred_at = at("2019-02-01T10:00:00Z");
    stage.publish_all([&order, &show]).await;
    let running = stage.start_with(|config| config.shop_timezone = "Asia/Kathmandu".into());
    stage.until_handled(2).await;
    let row: (String, String, i64) = sqlx::query_as(
        "select product, to_char(max(date), 'MM/DD/YYYY'), count(*) from ecommerce
         where title = 'order' and extract(year from time) = '2019' and date = '02/01/2019' group by product",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    assert_eq!(row, ("clothes".into(), "02/01/2019".into(), 1));
    assert_eq!(stage.text("select order_id from ecommerce where target = 1").await, "cfcd208495d565ef66e7dff9f98764da");
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sql_and_rust_agree_on_what_failed(pool: PgPool) {
    for status in [
        "COMPLETED",
        "failed_api",
        "FAILED",
        "Insufficient_Funds",
        "INSUFICCIENT_FUNDS",
        "user_error",
        "FRAUD",
        "fraudulent",
        "",
    ] {
        let mut order = Event::new(EventType::Order, "u", "test");
        order.amount = Some("1".parse().unwrap());
        order.status = Some(status.into());
        let failed: bool = sqlx::query_scalar("select failed($1)").bind(status).fetch_one(&pool).await.unwrap();
        assert_eq!(failed, order.revenue().is_none(), "{status}");
    }
}
