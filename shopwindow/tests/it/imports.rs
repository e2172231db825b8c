//! Imports that are killed, resumed, deleted and broken: what is stored in the end, and that every figure equals a
//! recount of it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::demo::{replay, replay_to_end};
use crate::dir::{Dir, Running};
use crate::kills::Random;
use crate::pipeline::Pipeline;

/// With tables that can be asked already.
fn start(consumers: usize) -> Pipeline {
    let mut pipeline = Pipeline::start();
    assert!(pipeline.dir.service("migrate").status().unwrap().success());
    pipeline.revive(consumers);
    pipeline
}

/// A generated file of the electronics shop.
fn electronics(dir: &Dir, rows: u32, seed: u32) -> PathBuf {
    let file = dir.path().join(format!("electronics-{seed}.csv"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.args(["generate", "electronics-csv", "--rows", &rows.to_string(), "--seed", &seed.to_string()]);
    assert!(command.stdout(fs::File::create(&file).unwrap()).status().unwrap().success());
    file
}

fn gzip(file: &Path) -> PathBuf {
    let packed = PathBuf::from(format!("{}.gz", file.display()));
    let mut encoder = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(file).unwrap()).unwrap();
    encoder.finish().unwrap();
    packed
}

fn imports(dir: &Dir, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.arg("imports").args(arguments).env("DATABASE_URL", dir.env("DATABASE_URL")).output().unwrap()
}

fn listed(dir: &Dir) -> Vec<Value> {
    serde_json::from_slice(&imports(dir, &["list", "--json"]).stdout).unwrap()
}

fn delete(dir: &Dir, id: &Value) {
    let deleted = imports(dir, &["delete", id.as_str().unwrap()]);
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
}

/// Read, stored, duplicate, rejected.
fn figures(summary: &Value) -> [u64; 4] {
    ["read", "stored", "duplicate", "rejected"].map(|name| summary[name].as_u64().unwrap())
}

fn begin(pipeline: &Pipeline, file: &Path, options: &[&str]) -> Running {
    Running::of(replay(&pipeline.dir, file, options).stdout(Stdio::null()).spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_killed_goes_on_where_it_was_and_ends_as_if_it_had_not_been() {
    let mut pipeline = start(1);
    let file = electronics(&pipeline.dir, 30_000, 1);
    pipeline.expect(30_000);
    let mut random = Random(4);
    for from in [0, 4_000, 9_000, 15_000] {
        let replay = begin(&pipeline, &file, &["--rate", "10000"]);
        let far = from + random.below(4_000) as i64;
        while pipeline.number("select coalesce(max(done_line), 0) from imports").await <= far {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        replay.end(Signal::SIGKILL);
    }
    let done = pipeline.number("select done_line from imports").await;
    let mut last = replay(&pipeline.dir, &file, &[]);
    let last = last.stderr(Stdio::piped()).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&last.stderr);
    assert!(said.contains(&format!("after line {done}, up to which")), "{said}");
    let summary: Value = serde_json::from_slice(&last.stdout).unwrap();
    assert_eq!(figures(&summary), [30_000, 30_000, 0, 0]);
    assert_eq!(summary["published"], 30_000);
    pipeline.assert_exact().await;
    assert_eq!(listed(&pipeline.dir).len(), 1);
    // the true repeats are events of their own
    let repeats = "select count(*) - count(distinct (occurred_at, event_type, user_id, product_id, price, session_id, \
                   brand, category)) from events";
    assert_eq!(pipeline.number(repeats).await, 22);

    let again = replay_to_end(&pipeline.dir, &gzip(&file));
    assert_eq!(figures(&again), [30_000, 0, 30_000, 0]);
    pipeline.assert_exact().await;
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_import_is_gone_with_all_that_came_of_it_and_a_new_one_starts_afresh() {
    let mut pipeline = start(2);
    let (file, other) = (electronics(&pipeline.dir, 12_000, 1), electronics(&pipeline.dir, 8_000, 2));
    let rows = pipeline.file(5_000);
    let trickle = pipeline.trickle();
    let deleted = replay_to_end(&pipeline.dir, &file);
    // two at once
    let beside = begin(&pipeline, &other, &[]);
    pipeline.replay_to_end(&[&rows]);
    assert!(beside.wait().success());
    pipeline.expect(8_000);
    delete(&pipeline.dir, &deleted["import_id"]);
    let cleared =
        "select count(*) from pg_stat_user_tables where relname in ('events', 'user_sessions') and vacuum_count > 0";
    pipeline.until(cleared, 2).await;
    _ = trickle.end(&mut pipeline).await;
    pipeline.assert_exact().await;
    pipeline.assert_served().await;
    assert_eq!(listed(&pipeline.dir).len(), 2);

    // what is still on the topic goes, too, and the same rows of a new import behind it come
    while !pipeline.consumers.is_empty() {
        pipeline.kill_consumer();
    }
    let unstored = begin(&pipeline, &file, &[]);
    pipeline.until("select count(*) from imports where state = 'running' and rows_published > 1000", 1).await;
    unstored.end(Signal::SIGKILL);
    let id = listed(&pipeline.dir).into_iter().find(|import| import["state"] == "running").unwrap();
    delete(&pipeline.dir, &id["import_id"]);
    let afresh = begin(&pipeline, &file, &[]);
    pipeline.until("select count(*) from imports where state = 'running' and rows_published > 0", 1).await;
    pipeline.revive(1);
    assert!(afresh.wait().success());
    pipeline.expect(12_000);
    pipeline.assert_exact().await;
    let last = listed(&pipeline.dir).pop().unwrap();
    assert_eq!((&last["rows_stored"], &last["rows_duplicate"]), (&12_000.into(), &0.into()));
    assert!(pipeline.number("select sum(dropped)::bigint from consumer_offsets").await > 1_000);

    let unknown = imports(&pipeline.dir, &["delete", deleted["import_id"].as_str().unwrap()]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no import"));
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_of_the_same_visits_are_deleted_apart() {
    let mut pipeline = start(1);
    let whole = fs::read_to_string(electronics(&pipeline.dir, 12_000, 1)).unwrap();
    let (header, rows) = whole.split_once('\n').unwrap();
    // lines of the same sessions are in both
    let files = ["few.csv", "many.csv"].map(|name| pipeline.dir.path().join(name));
    for (place, file) in files.iter().enumerate() {
        let rows = rows.lines().enumerate().filter(|(line, _)| (line % 10 == 0) == (place == 0)).map(|(_, row)| row);
        fs::write(file, [header].into_iter().chain(rows).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let [few, many] = files;
    let ids = [&few, &many].map(|file| replay_to_end(&pipeline.dir, file)["import_id"].clone());
    pipeline.expect(12_000);
    pipeline.assert_exact().await;
    pipeline.until("select count(*) from event_deltas", 0).await;
    pipeline.until("select count(*) from event_chunks where chunk_id > (select sessions_to from settings)", 0).await;
    let before = pipeline.number("select pg_current_xact_id()::text::bigint").await;

    delete(&pipeline.dir, &ids[0]);
    pipeline.expect(-1_200);
    pipeline.assert_exact().await;
    let untouched = format!("select count(*) from user_sessions where xmin::text::bigint < {before}");
    let untouched = pipeline.number(untouched.leak()).await;
    assert!(untouched > 3_000, "sessions of other users are not cut anew, but only {untouched} stayed");

    // at once, while the sessions wait for the flood's end
    let again = replay_to_end(&pipeline.dir, &few)["import_id"].clone();
    delete(&pipeline.dir, &again);
    pipeline.assert_exact().await;
    replay_to_end(&pipeline.dir, &few);
    delete(&pipeline.dir, &ids[1]);
    pipeline.expect(1_200 - 10_800);
    pipeline.assert_exact().await;
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_are_killed_deleted_and_begun_again_leave_what_one_of_each_would() {
    rounds(3..5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; `make full` runs it"]
async fn imports_that_are_killed_deleted_and_begun_again_in_any_way_leave_what_one_of_each_would() {
    rounds(10..40).await;
}

/// Rounds with two files at once, of which replays and consumers are killed and imports deleted at any moment, in
/// batches of any size. A round follows from its number, but for the moments' exact place.
async fn rounds(seeds: std::ops::Range<u64>) {
    let mut pipeline = start(0);
    for seed in seeds {
        println!("round {seed}");
        let mut random = Random(seed);
        let most = 1 << (1 + random.below(14));
        pipeline.batch_rows = 1 + random.below(most);
        pipeline.revive(2);
        let rows = [(); 2].map(|()| 1_000 + random.below(7_000));
        let files = [0, 1].map(|n| electronics(&pipeline.dir, rows[n] as u32, (seed * 2) as u32 + n as u32));
        let start = |pipeline: &Pipeline, file: &Path| begin(pipeline, file, &["--rate", "4000"]);
        let mut replays = files.each_ref().map(|file| start(&pipeline, file));
        for _ in 0..1 + random.below(4) {
            tokio::time::sleep(std::time::Duration::from_millis(random.below(1_500))).await;
            let one = random.below(2) as usize;
            match random.below(4) {
                0 => {
                    pipeline.kill_consumer();
                    pipeline.revive(2);
                }
                1 => {
                    let imports = listed(&pipeline.dir);
                    if !imports.is_empty() {
                        delete(&pipeline.dir, &imports[random.below(imports.len() as u64) as usize]["import_id"]);
                    }
                }
                _ => {
                    let killed = std::mem::replace(&mut replays[one], start(&pipeline, &files[one]));
                    killed.end(Signal::SIGKILL);
                }
            }
        }
        for replay in replays {
            replay.end(Signal::SIGKILL);
        }
        for (file, rows) in files.iter().zip(rows) {
            let summary = replay_to_end(&pipeline.dir, file);
            let [read, stored, duplicate, rejected] = figures(&summary);
            assert_eq!((read, stored + duplicate, rejected), (rows, rows, 0), "round {seed}: {summary}");
            pipeline.expect(rows as i64);
        }
        pipeline.assert_exact().await;
        for import in listed(&pipeline.dir) {
            delete(&pipeline.dir, &import["import_id"]);
        }
        pipeline.expect(-(rows.iter().sum::<u64>() as i64));
        pipeline.assert_exact().await;
    }
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let mut pipeline = start(1);
    let (file, other) = (electronics(&pipeline.dir, 6_000, 1), electronics(&pipeline.dir, 3_000, 2));
    replay_to_end(&pipeline.dir, &other);
    pipeline.expect(3_000);
    let mut random = Random(7);
    for _ in 0..3 {
        let id = replay_to_end(&pipeline.dir, &file)["import_id"].clone();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.args(["imports", "delete", id.as_str().unwrap()]).env("DATABASE_URL", pipeline.dir.env("DATABASE_URL"));
        let deletion = Running::of(command.stdout(Stdio::null()).spawn().unwrap());
        // the moment is anyone's: what must hold does so whenever it is
        tokio::time::sleep(std::time::Duration::from_millis(random.below(900))).await;
        deletion.end(Signal::SIGKILL);
        if listed(&pipeline.dir).iter().any(|import| import["import_id"] == id) {
            delete(&pipeline.dir, &id);
        }
        pipeline.assert_exact().await;
    }
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; `make full` runs it"]
async fn the_electronics_file_of_full_size_is_stored_with_the_published_counts() {
    let mut pipeline = start(1);
    let file = electronics(&pipeline.dir, 885_129, 2020);
    let summary = replay_to_end(&pipeline.dir, &gzip(&file));
    assert_eq!(figures(&summary), [885_129, 885_129, 0, 0]);
    pipeline.expect(885_129);
    for (event_type, rows) in [("product_view", 793_748), ("cart", 54_035), ("order", 37_346)] {
        let sql = format!("select count(*) from events where event_type = '{event_type}'");
        assert_eq!(pipeline.number(sql.leak()).await, rows, "{event_type}");
    }
    let repeats = "select count(*) - count(distinct (occurred_at, event_type, user_id, product_id, attributes, category, \
                   brand, price, session_id)) from events";
    assert_eq!(pipeline.number(repeats).await, 655);
    for (month, rows) in ["2020-09", "2020-10", "2020-11", "2020-12", "2021-01", "2021-02"]
        .into_iter()
        .zip([28_059, 161_418, 188_091, 152_590, 187_441, 166_875])
    {
        let sql = format!(
            "select count(distinct (occurred_at, event_type, user_id, product_id, attributes, category, brand, price, \
             session_id)) from events where to_char(occurred_at at time zone 'UTC', 'YYYY-MM') = '{month}'"
        );
        assert_eq!(pipeline.number(sql.leak()).await, rows, "{month}");
    }
    pipeline.assert_exact().await;
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_whose_import_is_deleted_ends_and_says_so() {
    let pipeline = start(1);
    let file = electronics(&pipeline.dir, 10_000, 1);
    let mut replaying = replay(&pipeline.dir, &file, &["--rate", "2000"]);
    let replaying = replaying.stderr(Stdio::piped()).spawn().unwrap();
    pipeline.until("select count(*) from imports where rows_stored > 1000", 1).await;
    delete(&pipeline.dir, &listed(&pipeline.dir)[0]["import_id"]);
    let ended = replaying.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("has been deleted meanwhile; replaying"), "{said}");
    pipeline.assert_exact().await;
    assert!(listed(&pipeline.dir).is_empty());
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_lines_can_be_mended_as_often_as_it_takes_and_no_line_is_stored_twice() {
    let pipeline = start(1);
    let file = electronics(&pipeline.dir, 1_000, 1);
    let broken = fs::read_to_string(&file).unwrap();
    // September has 29 rows of a thousand
    let broken = broken.replace("2020-09-", "2020-09/");
    fs::write(&file, &broken).unwrap();
    let summary = replay_to_end(&pipeline.dir, &file);
    let [read, stored, duplicate, rejected] = figures(&summary);
    assert_eq!((read, duplicate, stored + rejected), (1_000, 0, 1_000));
    assert!(rejected > 10, "{summary}");

    let rejects = imports(&pipeline.dir, &["rejects", summary["import_id"].as_str().unwrap()]).stdout;
    let written = pipeline.dir.path().join("electronics-1.rejected.csv");
    assert_eq!(fs::read(&written).unwrap(), rejects);
    let half: Vec<String> = String::from_utf8(rejects)
        .unwrap()
        .lines()
        .enumerate()
        .map(|(place, line)| if place % 2 == 0 { line.replace("2020-09/", "2020-09-") } else { line.to_owned() })
        .collect();
    fs::write(&written, half.join("\n")).unwrap();
    let mended = replay_to_end(&pipeline.dir, &written);
    assert_eq!(figures(&mended), [rejected, rejected / 2, 0, rejected - rejected / 2]);
    fs::write(&written, half.join("\n").replace("2020-09/", "2020-09-")).unwrap();
    let mended = replay_to_end(&pipeline.dir, &written);
    assert_eq!(figures(&mended), [rejected, rejected - rejected / 2, rejected / 2, 0]);
    assert_eq!(pipeline.number("select count(*) from events").await, 1_000);
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_broken_in_a_file_every_line_is_stored_a_duplicate_or_rejected() {
    let mut pipeline = start(1);
    let files = [
        fs::read(electronics(&pipeline.dir, 300, 1)).unwrap(),
        fs::read(&pipeline.file(300).file).unwrap(),
        "when,what,who,price,left\n2026-01-01 10:00:00,view,a,1.5,x\n1700000000,purchase,b,2,\"y,\"\n"
            .repeat(3)
            .into_bytes(),
    ];
    let file = pipeline.dir.path().join("broken.csv");
    let (mut stored, mut rejected) = (0, 0);
    for seed in 0..18 {
        let whole = &files[seed as usize % files.len()];
        let broken = mutate(whole, &mut Random(seed));
        fs::write(&file, &broken).unwrap();
        let map = ["--map", "occurred_at=when,event_type=what,user_id=who"];
        let options = if seed % 3 == 2 { &map[..] } else { &[] };
        let output = replay(&pipeline.dir, &file, options).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = broken.split(|&byte| byte == b'\n').skip(1);
        let lines = lines.filter(|line| !line.strip_suffix(b"\r").unwrap_or(line).is_empty()).count() as u64;
        let [read, new, duplicate, refused] = figures(&summary);
        assert_eq!((read, new + duplicate + refused), (lines, lines), "seed {seed}: {summary}");
        (stored, rejected) = (stored + new, rejected + refused);
    }
    assert!(stored > 500 && rejected > 100, "{stored} stored, {rejected} rejected");
    assert_eq!(pipeline.number("select count(*) from events").await, stored as i64);
    assert_eq!(pipeline.number("select count(*) from rejected_events").await, rejected as i64);
    assert!(pipeline.dir.service("verify").status().unwrap().success(), "{}", pipeline.dir.said("verify"));
    pipeline.end();
}

/// Changes, removes, doubles and mixes bytes behind the first line.
fn mutate(file: &[u8], random: &mut Random) -> Vec<u8> {
    const NASTY: [&[u8]; 10] =
        [b"\"", b",", b"\n", b"\r\n", b"\0", b"\xff", b"\"\"", b"-", b"9999999999999999999999999999", "é".as_bytes()];
    let begin = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let mut bytes = file.to_vec();
    for _ in 0..1 + random.below(60) {
        let place = begin + random.below((bytes.len() - begin).max(1) as u64) as usize;
        let end = (place + random.below(40) as usize).min(bytes.len());
        match random.below(5) {
            0 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = random.below(256) as u8),
            1 => drop(bytes.splice(place..place, NASTY[random.below(NASTY.len() as u64) as usize].iter().copied())),
            2 => drop(bytes.drain(place..end)),
            3 => {
                let piece = bytes[place..end].to_vec();
                drop(bytes.splice(place..place, piece));
            }
            _ => bytes[place..end].reverse(),
        }
    }
    bytes
}
