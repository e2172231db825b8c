//! Consumers as processes of their own that die at the worst moments, hang, come and go.

use std::time::Duration;

use events::Kafka;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;

use crate::dir::Running;
use crate::kills::Random;
use crate::pipeline::{Pipeline, TOPIC};

const WITHIN: Duration = Duration::from_secs(30);

/// Where a transaction of the consumer waits at the gate.
#[derive(Clone, Copy, Debug)]
enum Gate {
    /// Its rows are written, its commit has not been asked for.
    BeforeCommit,
    /// Its commit has been asked for, and has not happened.
    InCommit,
}

/// What dies meanwhile.
#[derive(Clone, Copy, Debug)]
enum Death {
    Consumer,
    Connection,
    Postgres,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_insert_and_commit_leaves_no_gap_and_no_double() {
    let mut pipeline = Pipeline::start();
    assert!(pipeline.dir.service("migrate").status().unwrap().success());
    sqlx::raw_sql(
        "create function wait_at_gate() returns trigger language plpgsql as $$
             begin perform pg_advisory_xact_lock_shared(4711); return null; end $$",
    )
    .execute(&mut pipeline.dir.database().await)
    .await
    .unwrap();
    for gate in [Gate::BeforeCommit, Gate::InCommit] {
        build(&mut pipeline.dir.database().await, gate).await;
        for death in [Death::Consumer, Death::Connection, Death::Postgres] {
            println!("{gate:?}, {death:?}");
            pipeline.revive(1);
            die_at_the_gate(&mut pipeline, death).await;
            pipeline.assert_exact().await;
            assert_eq!(pipeline.number("select sum(duplicate)::bigint from consumer_offsets").await, 0);
        }
    }
    pipeline.end();
}

async fn build(database: &mut PgConnection, gate: Gate) {
    let initially = match gate {
        Gate::BeforeCommit => {
            "drop trigger if exists gate on consumer_offsets;
             create constraint trigger gate after update on consumer_offsets
             for each row execute function wait_at_gate()"
        }
        Gate::InCommit => {
            "drop trigger if exists gate on consumer_offsets;
             create constraint trigger gate after update on consumer_offsets deferrable initially deferred
             for each row execute function wait_at_gate()"
        }
    };
    sqlx::raw_sql(initially).execute(database).await.unwrap();
}

async fn die_at_the_gate(pipeline: &mut Pipeline, death: Death) {
    const AT_THE_GATE: &str = "select count(*) from pg_stat_activity
        where application_name = 'shopwindow consumer' and wait_event = 'advisory'";
    // behind one that waits at the gate, for the rows of consumer_offsets that it holds
    const BEHIND: &str = "select count(*) from pg_stat_activity
        where application_name = 'shopwindow consumer' and wait_event in ('transactionid', 'tuple')";

    let mut keeper = pipeline.dir.database().await;
    sqlx::query("select pg_advisory_lock(4711)").execute(&mut keeper).await.unwrap();
    pipeline.publish(50).await;
    pipeline.until(AT_THE_GATE, 1).await;
    match death {
        Death::Consumer => {
            pipeline.kill_consumer();
            // its transaction still is there, and may yet be committed: the next consumer asks where to read on, and waits
            pipeline.revive(1);
            pipeline.until(BEHIND, 1).await;
        }
        Death::Connection => {
            let terminated = "select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'shopwindow consumer' and wait_event = 'advisory'";
            sqlx::query(terminated).execute(&mut keeper).await.unwrap();
            // it tries again
            pipeline.until(AT_THE_GATE, 1).await;
        }
        Death::Postgres => {
            pipeline.end_server("postgres", Signal::SIGQUIT);
            pipeline.revive(1);
            return;
        }
    }
    sqlx::query("select pg_advisory_unlock(4711)").execute(&mut keeper).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_commit_and_kafkas_commit_doubles_nothing() {
    let mut pipeline = Pipeline::start();
    pipeline.revive(1);
    pipeline.publish(1).await;
    pipeline.until("select count(*) from events", 1).await;
    let mut behind = 0;
    for _ in 0..2 {
        let mut listener = PgListener::connect(&pipeline.dir.env("DATABASE_URL")).await.unwrap();
        listener.listen("events_stored").await.unwrap();
        let (notice, ()) = tokio::join!(tokio::time::timeout(WITHIN, listener.recv()), pipeline.publish(50));
        notice.expect("a batch is stored").unwrap();
        pipeline.kill_consumer();
        let stored = pipeline.number("select sum(next_offset)::bigint from consumer_offsets").await;
        behind += i64::from(committed(&pipeline) < stored);
        // of the same group, so it is told Kafka's offsets, once the dead one counts as gone
        let next = Running::of(pipeline.consumer().spawn().unwrap());
        pipeline.consumers.push(next);
        pipeline.assert_exact().await;
    }
    assert!(behind > 0, "Kafka knew each time what was stored");
    assert_eq!(pipeline.number("select sum(duplicate)::bigint from consumer_offsets").await, 0);
    pipeline.end();
}

/// The sum of the offsets that the group has committed to Kafka.
fn committed(pipeline: &Pipeline) -> i64 {
    let kafka = Kafka::plain(pipeline.dir.env("KAFKA_BROKERS"), TOPIC);
    let reader: BaseConsumer = kafka.client().set("group.id", pipeline.group()).create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range(TOPIC, 0, events::PARTITIONS - 1);
    let committed = reader.committed_offsets(partitions, WITHIN).unwrap();
    committed.elements().iter().filter_map(|partition| partition.offset().to_raw()).map(|offset| offset.max(0)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_stays_in_its_group_while_postgresql_hangs_for_longer_than_the_poll_interval() {
    stay_in_the_group(Duration::from_secs(13)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute; `make full` runs it"]
async fn a_consumer_stays_in_its_group_while_postgresql_hangs_for_more_than_a_minute() {
    stay_in_the_group(Duration::from_secs(75)).await;
}

async fn stay_in_the_group(hanging: Duration) {
    let mut pipeline = Pipeline::start();
    let mut consumer = pipeline.consumer();
    // the interval is shorter than PostgreSQL hangs, and a batch is full long before
    consumer.env("CONSUMER_MAX_POLL_INTERVAL_MS", "10000").env("CONSUMER_BATCH_ROWS", "500");
    pipeline.consumers.push(Running::of(consumer.spawn().unwrap()));
    pipeline.publish(100).await;
    pipeline.until("select coalesce((select sum(stored) from consumer_offsets), 0)::bigint", 100).await;
    let member = members(&pipeline);
    assert_eq!(member.len(), 1);

    let file = pipeline.file(20_000);
    let replay = pipeline.replay(&file, &["--rate", "5000"]);
    pipeline.until("select (count(*) > 1000)::int::bigint from events", 1).await;
    signal_postgres(&pipeline, Signal::SIGSTOP);
    pipeline.publish(5_000).await;
    tokio::time::sleep(hanging).await;
    assert_eq!(members(&pipeline), member);
    signal_postgres(&pipeline, Signal::SIGCONT);
    assert!(replay.wait().success());
    pipeline.assert_exact().await;
    assert_eq!(members(&pipeline), member);
    let said = pipeline.dir.said("consumer");
    assert_eq!(said.matches("partitions assigned").count(), 1, "{said}");
    assert!(said.contains("PostgreSQL is slow or away: reading is paused"), "{said}");
    pipeline.end();
}

/// The group's members, as Kafka calls them.
fn members(pipeline: &Pipeline) -> Vec<String> {
    let kafka = Kafka::plain(pipeline.dir.env("KAFKA_BROKERS"), TOPIC);
    let reader: BaseConsumer = kafka.client().create().unwrap();
    let groups = reader.fetch_group_list(Some(&pipeline.group()), WITHIN).unwrap();
    groups.groups().iter().flat_map(|group| group.members()).map(|member| member.id().to_owned()).collect()
}

/// Signals the server, which then makes no more processes, and those of its connections.
fn signal_postgres(pipeline: &Pipeline, signal: Signal) {
    kill(pipeline.dir.server("postgres"), signal).unwrap();
    for (pid, _) in pipeline.dir.processes().into_iter().filter(|(_, command)| command.starts_with("postgres: ")) {
        // a connection may have ended this instant
        _ = kill(Pid::from_raw(pid), signal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_and_go_under_load_lose_and_double_nothing() {
    let mut pipeline = Pipeline::start();
    let mut random = Random(4);
    pipeline.revive(2);
    let file = pipeline.file(40_000);
    let replay = pipeline.replay(&file, &["--rate", "5000"]);
    let trickle = pipeline.trickle();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(random.below(500))).await;
        if pipeline.consumers.len() < 5 && (pipeline.consumers.len() < 2 || random.below(2) == 0) {
            let another = Running::of(pipeline.consumer().spawn().unwrap());
            pipeline.consumers.push(another);
        } else if random.below(4) == 0 {
            pipeline.kill_consumer();
        } else {
            let one = random.below(pipeline.consumers.len() as u64) as usize;
            // SIGTERM may come before it listens to it
            pipeline.consumers.remove(one).end(Signal::SIGTERM);
        }
    }
    trickle.end(&mut pipeline).await;
    assert!(replay.wait().success());
    pipeline.assert_exact().await;
    // a redelivery is no duplicate
    assert_eq!(pipeline.number("select sum(duplicate)::bigint from consumer_offsets").await, 0);
    pipeline.revive(1);
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_replayed_at_once_are_each_stored_once() {
    let mut pipeline = Pipeline::start();
    pipeline.revive(2);
    let files = [pipeline.file(15_000), pipeline.file(15_000)];
    let [one, other] = files.each_ref();
    // the same file by two ways at once meets itself; the other goes its own way
    let summaries = pipeline.replay_to_end(&[one, one, other]);
    let sum =
        |name: &str, of: &[serde_json::Value]| of.iter().filter_map(|summary| summary[name].as_u64()).sum::<u64>();
    assert_eq!((sum("stored", &summaries[..2]), sum("duplicate", &summaries[..2])), (15_000, 15_000));
    assert_eq!((sum("stored", &summaries[2..]), sum("duplicate", &summaries[2..])), (15_000, 0));
    pipeline.assert_exact().await;
    pipeline.assert_served().await;
    pipeline.end();
}
