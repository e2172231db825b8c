//! Simulated visitors: of a demo, and as a command of its own beside it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::demo::Demo;
use crate::dir::{Dir, wait_until};

const CATALOG: &str = "PRODUCT_NAME,PRICING,URL,BRAND,SCREEN_SIZE,DISPLAY_TYPE,RESOLUTION,OS\n\
                       \"Test - 32\"\" Class\",\"$1,079.99\",,OURS,32,LED,HD,none\n";

#[tokio::test]
async fn a_demo_simulates_visitors_and_takes_those_of_the_command_too() {
    let dir = Dir::new();
    let demo = Demo::start_with(&dir, &["--simulate", "500"]).await;
    demo.until("api/totals", |totals| totals["events"]["order"].as_i64() > Some(2)).await;
    let sources = demo.json("api/breakdown?by=source").await;
    assert_eq!(sources["rows"][0]["value"], "simulator", "{sources}");

    let catalog = dir.path().join("tv.csv");
    fs::write(&catalog, CATALOG).unwrap();
    let simulate = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.arg("simulate").args(arguments).env("KAFKA_BROKERS", dir.env("KAFKA_BROKERS"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let sales =
        ["--profile", "tv", "--catalog", catalog.to_str().unwrap(), "--rate", "1000", "--count", "300", "--json"];
    let output = simulate(&sales).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["profile"], &summary["published"]), (&"tv".into(), &300.into()), "{summary}");
    demo.until("api/breakdown?by=brand", |brands| {
        let rows = brands["rows"].as_array().into_iter().flatten();
        rows.clone().any(|row| row["value"] == "OURS" && row["order"] == 300)
    })
    .await;

    // without a count it goes on until it is interrupted, which is no failure
    let mut visitors = simulate(&["--rate", "100", "--json"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(visitors.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("simulating profile shop, seed "), "{said}");
    kill(Pid::from_raw(visitors.id() as i32), Signal::SIGINT).unwrap();
    assert!(visitors.wait_with_output().unwrap().status.success());

    assert!(demo.end(Signal::SIGINT).success());
    wait_until("everything has stopped", || dir.processes().is_empty());
}
