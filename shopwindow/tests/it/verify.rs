//! `shopwindow verify` as a script meets it.

use std::process::{Command, Output};

use serde_json::Value;
use sqlx::{ConnectOptions as _, PgPool};

fn verify(pool: &PgPool, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_shopwindow"))
        .arg("verify")
        .args(args)
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("RUST_LOG", "warn")
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_difference_is_named_and_the_exit_status_is_1(pool: PgPool) {
    let (status, stdout, stderr) = verify(&pool, &[]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(stdout.ends_with("\n25 figures recounted from the events: no difference\n"), "{stdout}");

    let count =
        "insert into consumer_offsets (cluster_id, topic, partition, next_offset, stored) values ('c', 't', 4, 1, 1)";
    sqlx::query(count).execute(&pool).await.unwrap();
    let (status, stdout, _) = verify(&pool, &[]);
    assert_eq!(status, Some(1));
    assert!(stdout.contains("\n    t 4, stored: 1 is there, 0 recounted\n"), "{stdout}");
    assert!(stdout.ends_with("\n1 of 25 figures differ from a recount of the events\n"), "{stdout}");

    let (status, stdout, _) = verify(&pool, &["--json"]);
    assert_eq!(status, Some(1));
    let findings: Vec<Value> = serde_json::from_str(&stdout).unwrap();
    let different: Vec<_> = findings.iter().filter(|finding| finding["difference"] != 0).collect();
    assert_eq!(different.len(), 1, "{stdout}");
    assert_eq!(different[0]["places"][0]["place"], "t 4, stored");
}

#[sqlx::test(migrations = false)]
async fn a_database_without_tables_is_said_to_be_one(pool: PgPool) {
    let (status, stdout, stderr) = verify(&pool, &[]);
    assert_eq!((status, stdout.as_str()), (Some(1), ""));
    let line = "error: the database holds no tables of ours, or older ones: run `shopwindow migrate`: ";
    assert!(stderr.starts_with(line) && stderr.lines().count() == 1, "{stderr}");
}
