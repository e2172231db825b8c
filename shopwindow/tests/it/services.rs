//! `shopwindow services`: the real binary starts, stops, resumes and cleans up a real Kafka and PostgreSQL.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};

use crate::dir::{Dir, Running, wait_until};

#[tokio::test]
async fn what_is_stored_survives_a_stop_and_the_loss_of_the_parent() {
    // Kafka's usual port is let go between two starts, and another test's Kafka could take it
    let _usual_port = TcpListener::bind("127.0.0.1:9092");
    let dir = Dir::new();

    let first = dir.start();
    let mut database = dir.database().await;
    sqlx::raw_sql("create table kept as select 42 as answer").execute(&mut database).await.unwrap();
    let topic = NewTopic::new("kept", 3, TopicReplication::Fixed(1));
    dir.kafka().create_topics(&[topic], &AdminOptions::new()).await.unwrap().remove(0).unwrap();

    let refused = dir.run(&["true"]);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(message.contains(&format!("in use by process {}:", first.pid())), "{message}");

    let (url, brokers) = (dir.env("DATABASE_URL"), dir.env("KAFKA_BROKERS"));
    assert!(first.end(Signal::SIGINT).success());
    dir.is_at_rest();

    let second = dir.start();
    assert_both_kept(&dir).await;
    assert_eq!((url, brokers), (dir.env("DATABASE_URL"), dir.env("KAFKA_BROKERS")), "the addresses have changed");
    second.end(Signal::SIGKILL);
    let orphans = dir.processes();
    assert!(orphans.len() > 2, "kafka or postgresql went with their parent: {orphans:?}");

    fs::remove_file(dir.path().join("env")).unwrap();
    let third = dir.start();
    assert_both_kept(&dir).await;
    let kept_on = dir.processes().into_iter().filter(|process| orphans.contains(process)).collect::<Vec<_>>();
    assert!(kept_on.is_empty(), "still running: {kept_on:?}");
    assert!(third.end(Signal::SIGTERM).success());
    dir.is_at_rest();
}

async fn assert_both_kept(dir: &Dir) {
    let answer: i32 = sqlx::query_scalar("select answer from kept").fetch_one(&mut dir.database().await).await.unwrap();
    assert_eq!(answer, 42);
    let kafka = dir.kafka();
    let metadata = kafka.inner().fetch_metadata(Some("kept"), Duration::from_secs(10)).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
}

#[test]
fn an_interrupt_during_the_start_leaves_no_process_and_no_half_made_state() {
    let dir = Dir::new();
    let stages = [
        "lock",
        "postgres/superuser-password",
        "postgres/data.new",
        "postgres/data.new/base/1",
        "kafka/data.new",
        "postgres/data",
        "kafka/data",
        "postgres/data/postmaster.pid",
        "kafka/server.properties",
        "kafka/data/.lock",
    ];
    for stage in stages {
        let starting = Running::of(dir.services().spawn().unwrap());
        wait_until(stage, || dir.path().join(stage).exists() || dir.path().join("env").exists());
        // Before the program listens to signals, they end it at once.
        starting.end(Signal::SIGINT);
        dir.is_at_rest();
    }
    assert!(dir.run(&["true"]).status.success());
}

#[test]
fn a_start_that_is_killed_is_begun_anew() {
    let dir = Dir::new();
    for stage in ["postgres/data.new/base/1", "kafka/data.new", "postgres/data/postmaster.pid"] {
        let starting = Running::of(dir.services().spawn().unwrap());
        wait_until(stage, || dir.path().join(stage).exists() || dir.path().join("env").exists());
        starting.end(Signal::SIGKILL);
    }
    assert!(dir.run(&["true"]).status.success());
    dir.is_at_rest();
}

#[test]
fn the_command_gets_the_addresses_and_signals_and_its_status_is_passed_on() {
    let dir = Dir::new();
    let script = r#"echo "$KAFKA_BROKERS $DATABASE_URL"; exit 7"#;
    let output = dir.run(&["sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("127.0.0.1:") && printed.contains(" postgres://shopwindow:"), "{printed}");

    let script = r#"trap "exit 9" TERM; touch ready; while true; do sleep 0.1; done"#;
    let mut waiting = dir.services();
    waiting.current_dir(dir.path()).args(["--", "sh", "-c", script]);
    let waiting = Running::of(waiting.spawn().unwrap());
    wait_until("the command runs", || dir.path().join("ready").exists());
    assert_eq!(waiting.end(Signal::SIGTERM).code(), Some(9));
    dir.is_at_rest();
}

#[test]
fn several_directories_started_at_the_same_moment_get_ports_of_their_own() {
    let dirs = [Dir::new(), Dir::new()];
    let running = dirs.each_ref().map(|dir| Running::of(dir.services().spawn().unwrap()));
    for dir in &dirs {
        wait_until("the services are up", || dir.path().join("env").exists());
        assert!(TcpListener::bind(dir.env("KAFKA_BROKERS")).is_err());
    }
    let [one, other] = &dirs;
    assert_ne!(one.env("KAFKA_BROKERS"), other.env("KAFKA_BROKERS"));
    assert_ne!(one.env("DATABASE_URL"), other.env("DATABASE_URL"));
    for process in running {
        assert!(process.end(Signal::SIGHUP).success());
    }
    dirs.iter().for_each(Dir::is_at_rest);
}
