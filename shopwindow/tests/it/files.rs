//! Files that are not as they should be, through `shopwindow replay` and a consumer: what is said, what is stored.

use std::fs::{self, File};
use std::io::{Cursor, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::dir::{Running, wait_until};
use crate::pipeline::{HEADER, Pipeline, csv_rows};

/// What a replay ends with: whether it succeeded, its standard output, its last line on standard error.
struct End {
    success: bool,
    summary: Value,
    error: String,
}

fn replay(pipeline: &Pipeline, file: &Path) -> End {
    let mut command = pipeline.dir.service("replay");
    command.arg(file).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    End {
        success: output.status.success(),
        summary: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        error: said.lines().next_back().unwrap_or_default().to_owned(),
    }
}

/// The number of rows stored with ids from `first` on.
async fn stored_from(pipeline: &Pipeline, first: Uuid) -> i64 {
    let last = Uuid::from_u128(first.as_u128() + u128::from(u64::MAX));
    let count = sqlx::query_scalar("select count(*) from events where event_id between $1 and $2");
    count.bind(first).bind(last).fetch_one(&mut pipeline.dir.database().await).await.unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zip(text: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("product.csv", SimpleFileOptions::default()).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_damage_is_told_with_its_place_and_the_good_rows_are_stored() {
    let mut pipeline = Pipeline::start();
    pipeline.revive(1);
    bad_rows_are_kept_and_can_be_mended(&pipeline).await;
    other_line_ends_a_mark_and_no_last_line_end_are_no_damage(&pipeline).await;
    what_was_cut_short_is_stored_up_to_there(&pipeline).await;
    what_is_no_csv_file_is_an_error_of_one_line(&pipeline).await;
    pipeline.end();
}

async fn bad_rows_are_kept_and_can_be_mended(pipeline: &Pipeline) {
    let first = Uuid::from_u64_pair(1, 0);
    let good = csv_rows(first, 6);
    let good: Vec<&str> = good.lines().collect();
    let row = |id: u32, user: &str, date: &str| {
        format!("000000000000000200000000000000{id:02x},{user},p,clothes,mobile,{date} 12:00:00,banner_show,0")
    };
    let bad = [
        (row(1, "u,1", "2019-05-01"), "9 fields instead of 8"),
        ("short,row".to_owned(), "2 fields instead of 8"),
        (row(2, "u", "2019-02-29"), "time: \"2019-02-29 12:00:00\" is not a time as YYYY-MM-DD HH:MM:SS"),
        (row(3, "\"u", "2019-05-01"), "field 2: the quote is not closed on this line"),
        (row(4, "u\0", "2019-05-01"), "user_id: holds a NUL character"),
    ];
    let mut lines = vec![HEADER.trim_end()];
    for (good, (bad, _)) in good.iter().zip(&bad) {
        lines.extend([good, bad.as_str()]);
    }
    lines.push(good[5]);
    let file = pipeline.dir.path().join("damaged.csv");
    fs::write(&file, lines.join("\n")).unwrap();
    let end = replay(pipeline, &file);
    assert!(end.success, "{}", end.error);
    let figures =
        ["read", "published", "stored", "duplicate", "rejected"].map(|name| end.summary[name].as_u64().unwrap());
    assert_eq!(figures, [11, 6, 6, 0, 5]);
    assert_eq!(stored_from(pipeline, first).await, 6);
    let kept: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as("select line, reason, payload from rejected_events where import_id::text = $1 order by line")
            .bind(end.summary["import_id"].as_str())
            .fetch_all(&mut pipeline.dir.database().await)
            .await
            .unwrap();
    let expected: Vec<_> = (3..)
        .step_by(2)
        .zip(&bad)
        .map(|(line, (raw, why))| (line, (*why).to_owned(), raw.clone().into_bytes()))
        .collect();
    assert_eq!(kept, expected);

    // what was rejected is a file that can be mended
    let rejected = pipeline.dir.path().join("damaged.rejected.csv");
    let text = fs::read_to_string(&rejected).unwrap();
    assert_eq!(text, [HEADER, &bad.map(|(raw, _)| raw + "\n").concat()].concat());
    let mended = text.replace("u,1", "u1").replace("02-29", "02-28").replace("\"u", "u").replace('\0', "");
    fs::write(&rejected, mended).unwrap();
    assert_eq!(replay(pipeline, &rejected).summary["stored"], 4);
    assert_eq!(stored_from(pipeline, Uuid::from_u64_pair(2, 0)).await, 4);
}

async fn other_line_ends_a_mark_and_no_last_line_end_are_no_damage(pipeline: &Pipeline) {
    let first = Uuid::from_u64_pair(3, 0);
    let text = format!("\u{feff}{HEADER}{}", csv_rows(first, 50)).replace('\n', "\r\n");
    let file = pipeline.dir.path().join("excel.csv");
    fs::write(&file, text.trim_end()).unwrap();
    let end = replay(pipeline, &file);
    assert!(end.success, "{}", end.error);
    assert_eq!((&end.summary["stored"], &end.summary["rejected"]), (&50.into(), &0.into()));
    let whole = "select count(*) from events where source = 'product.csv' and site_version in ('mobile', 'desktop')
        and product in ('clothes', 'sneakers', 'electronics', 'accessories') and event_id >= '00000000-0000-0003-0000-000000000000'";
    assert_eq!(pipeline.number(whole).await, 50);
}

async fn what_was_cut_short_is_stored_up_to_there(pipeline: &Pipeline) {
    for (number, pack, name) in [(4, gzip as fn(&str) -> Vec<u8>, "cut.csv.gz"), (5, zip, "cut.zip")] {
        let first = Uuid::from_u64_pair(number, 0);
        let packed = pack(&[HEADER, &csv_rows(first, 20_000)].concat());
        let half = packed.len() / 2;
        let file = pipeline.dir.path().join(name);
        fs::write(&file, &packed[..half]).unwrap();
        let end = replay(pipeline, &file);
        let stored = stored_from(pipeline, first).await;
        assert!((2_000..18_000).contains(&stored), "{stored}");
        assert!(!end.success);
        let place = format!("{name} is cut short after line {}, at byte {half} of {half} (", stored + 1);
        assert!(end.error.starts_with("error: ") && end.error.contains(&place), "{}\nnot {place}", end.error);
        assert!(end.error.contains(&format!("stored {stored}, duplicate 0, rejected 0")), "{}", end.error);
    }
    assert_eq!(
        pipeline.number("select count(*) from imports where state = 'failed' and finished_at is not null").await,
        2
    );
}

async fn what_is_no_csv_file_is_an_error_of_one_line(pipeline: &Pipeline) {
    let imports = pipeline.number("select count(*) from imports").await;
    let good = csv_rows(Uuid::from_u64_pair(6, 0), 2);
    let dir = pipeline.dir.path();
    fs::write(dir.join("wrong.csv"), HEADER.replace("user_id", "user") + &good).unwrap();
    fs::write(dir.join("headless.csv"), &good).unwrap();
    fs::write(dir.join("empty.csv"), "").unwrap();
    fs::create_dir(dir.join("folder.csv")).unwrap();
    for (name, problem) in [
        ("wrong.csv", ": column 2 of the header is \"user\", expected \"user_id\""),
        ("headless.csv", ": line 1 is \"00000000000000060000000000000000,user0,"),
        ("empty.csv", " is empty: a CSV file begins with a header"),
        ("folder.csv", " is a directory: name a CSV file in it"),
        ("none.csv", ": there is no such file"),
    ] {
        let end = replay(pipeline, &dir.join(name));
        assert!(!end.success);
        let expected = format!("error: {}{problem}", dir.join(name).display());
        assert!(end.error.starts_with(&expected), "{}\nnot {expected}", end.error);
    }
    assert_eq!(stored_from(pipeline, Uuid::from_u64_pair(6, 0)).await, 0);
    assert_eq!(pipeline.number("select count(*) from imports").await, imports);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_whatever_the_lines_are() {
    let mut pipeline = Pipeline::start();
    pipeline.revive(1);
    let path = pipeline.dir.path().join("garbage.csv");
    let first = Uuid::from_u64_pair(1, 0);
    let mut file = File::create(&path).unwrap();
    write!(file, "{HEADER}{}", csv_rows(first, 10)).unwrap();
    // many short ones, many as long as the longest event and longer, and a hole of a gigabyte without a line end
    file.write_all("x\n".repeat(200_000).as_bytes()).unwrap();
    for _ in 0..40 {
        file.write_all(&[&vec![b'y'; 2 << 20][..], b"\n"].concat()).unwrap();
    }
    file.seek(SeekFrom::Current(1 << 30)).unwrap();
    write!(file, "\n{}", csv_rows(Uuid::from_u128(first.as_u128() + 10), 10)).unwrap();

    let mut command: Command = pipeline.dir.service("replay");
    let replay = command.arg(&path).spawn().unwrap();
    let status = format!("/proc/{}/status", replay.id());
    let mut replay = Running::of(replay);
    let mut most = 0_u64;
    wait_until("the file is replayed", || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        replay.ended().is_some()
    });
    assert!(replay.wait().success(), "{}", pipeline.dir.said("replay"));
    assert_eq!(stored_from(&pipeline, first).await, 20);
    assert_eq!(pipeline.number("select count(*) from rejected_events").await, 200_041);
    assert_eq!(pipeline.number("select max(length(payload))::bigint from rejected_events").await, 1_000_000);
    println!("at most {most} kB");
    assert!(most > 0 && most < 150_000, "{most} kB");
    pipeline.end();
}
