#![allow(warnings)]
#[path = "../src/fields.rs"]
mod fields;
#[path = "../src/input.rs"]
mod input;
#[path = "../src/pace.rs"]
mod pace;
#[path = "../src/product_csv.rs"]
mod product_csv;
#[path = "../src/publisher.rs"]
mod publisher;
use clap::Parser;
use std::time::Instant;
#[derive(Parser)]
enum Cli {
    Generate(replay::generate::Config),
    Replay(replay::Config),
    Consume(consumer::Config),
    Map { file: std::path::PathBuf },
    Send { file: std::path::PathBuf, topic: String },
}
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let token = tokio_util::sync::CancellationToken::new();
    let t2 = token.clone();
    tokio::spawn(async move {
        tokio::signal::ctrl_c().await;
        t2.cancel();
    });
    match Cli::parse() {
        Cli::Generate(c) => replay::generate::run(&c)?,
        Cli::Replay(c) => {
            let json = c.json;
            let s = replay::run(&c, token).await?;
            println!("{s}");
        }
        Cli::Consume(c) => consumer::run(c, consumer::Working::default(), token).await?,
        Cli::Map { file } => {
            let t = Instant::now();
            let mut input = input::Input::open(&file)?;
            let m = product_csv::Mapping::new(uuid::Uuid::now_v7(), chrono_tz::UTC, false, false);
            let (mut n, mut bytes, mut json) = (0u64, 0, Vec::new());
            while let Some(line) = input.next_line()? {
                n += 1;
                json.clear();
                m.map(line.raw, n, &mut json).unwrap();
                bytes += json.len();
            }
            eprintln!(
                "{n} rows {bytes} bytes in {:?}: {:.0} rows/s",
                t.elapsed(),
                n as f64 / t.elapsed().as_secs_f64()
            );
        }
        Cli::Send { file, topic } => {
            let kafka = events::Kafka::plain(std::env::var("KAFKA_BROKERS")?, topic);
            kafka.ensure_topic().await?;
            let t = Instant::now();
            let mut input = input::Input::open(&file)?;
            let mut p = publisher::Publisher::new(&kafka)?;
            let m = product_csv::Mapping::new(uuid::Uuid::now_v7(), chrono_tz::UTC, false, false);
            let (mut n, mut json) = (0u64, Vec::new());
            while let Some(line) = input.next_line()? {
                n += 1;
                json.clear();
                let r = m.map(line.raw, n, &mut json).unwrap();
                while !p.send(r.user_id.as_bytes(), &json)? {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    p.settle()?;
                }
            }
            while !p.settle()? {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            eprintln!("{n} rows in {:?}: {:.0} rows/s", t.elapsed(), n as f64 / t.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
