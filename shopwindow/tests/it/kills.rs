//! Rounds of kill -9 at random moments under load. A round follows from its seed, but for the moments' exact place:
//! `SHOPWINDOW_SEED` names the first, `SHOPWINDOW_ROUNDS` how many.

use std::time::Duration;

use nix::sys::signal::Signal;
use uuid::Uuid;

use crate::dir::Running;
use crate::pipeline::{Pipeline, Rows};

/// Rounds that go on in one directory, so that a round is short and yet finds what earlier ones left.
const ROUNDS_TOGETHER: u64 = 10;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Replay,
    Consumer,
    Consumers,
    Analytics,
    Postgres,
    Kafka,
    Services,
    Everything,
}

const VICTIMS: [Victim; 8] = [
    Victim::Replay,
    Victim::Consumer,
    Victim::Consumers,
    Victim::Analytics,
    Victim::Postgres,
    Victim::Kafka,
    Victim::Services,
    Victim::Everything,
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_all_that_was_acknowledged_is_stored_once_and_counted() {
    // whose three rounds kill everything there is
    rounds(87, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a quarter of an hour; `make full` runs it"]
async fn whatever_is_killed_a_hundred_times_all_is_stored_once_and_counted() {
    let of = |name, otherwise| std::env::var(name).map_or(otherwise, |number| number.parse().expect(name));
    rounds(of("SHOPWINDOW_SEED", 1), of("SHOPWINDOW_ROUNDS", 100)).await;
}

async fn rounds(first: u64, rounds: u64) {
    let mut seeds = first..first + rounds;
    while !seeds.is_empty() {
        let mut pipeline = Pipeline::start();
        for seed in seeds.by_ref().take(ROUNDS_TOGETHER as usize) {
            let _named_if_it_fails = Named(seed);
            round(&mut pipeline, seed).await;
        }
        pipeline.end();
    }
}

async fn round(pipeline: &mut Pipeline, seed: u64) {
    let mut random = Random(seed);
    pipeline.revive(2);
    let files = [(); 2].map(|()| pipeline.file(10_000 + random.below(15_000)));
    let trickle = pipeline.trickle();
    // two files at once, and each of them from the beginning again when its replay was killed
    let mut replays = files.each_ref().map(|file| start(pipeline, file));
    for _ in 0..1 + random.below(3) {
        tokio::time::sleep(Duration::from_millis(random.below(1_200))).await;
        let victim = VICTIMS[random.below(VICTIMS.len() as u64) as usize];
        println!("seed {seed}: {victim:?}");
        match victim {
            Victim::Replay => {
                let one = random.below(2) as usize;
                std::mem::replace(&mut replays[one], start(pipeline, &files[one])).end(Signal::SIGKILL);
            }
            Victim::Consumer => pipeline.kill_consumer(),
            Victim::Consumers => {
                pipeline.kill_consumer();
                pipeline.kill_consumer();
            }
            Victim::Analytics => pipeline.kill_analytics(),
            // an immediate stop
            Victim::Postgres => pipeline.end_server("postgres", Signal::SIGQUIT),
            Victim::Kafka => pipeline.end_server("kafka", Signal::SIGKILL),
            Victim::Services => pipeline.kill_services(),
            Victim::Everything => {
                pipeline.kill_everything();
                for replay in &mut replays {
                    _ = nix::sys::signal::kill(replay.pid(), Signal::SIGKILL);
                }
            }
        }
        pipeline.revive(2);
    }
    for replay in replays {
        // whether it reached its end depends on what was killed when
        replay.end(Signal::SIGKILL);
    }
    let acknowledged = trickle.end(pipeline).await;
    for summary in pipeline.replay_to_end(&files.each_ref()) {
        assert_eq!(summary["rejected"], 0);
    }
    pipeline.assert_exact().await;
    for file in &files {
        file.assert_stored(pipeline).await;
    }
    assert_stored(pipeline, &acknowledged).await;
    pipeline.assert_served().await;
}

fn start(pipeline: &Pipeline, rows: &Rows) -> Running {
    pipeline.replay(rows, &["--rate", "10000"])
}

async fn assert_stored(pipeline: &Pipeline, acknowledged: &[Uuid]) {
    let missing: i64 = sqlx::query_scalar(
        "select count(*) from unnest($1::uuid[]) as a(id) where not exists (select from events where event_id = id)",
    )
    .bind(acknowledged)
    .fetch_one(&mut pipeline.dir.database().await)
    .await
    .unwrap();
    assert_eq!(missing, 0, "acknowledged events that are not stored");
}

/// Says which round failed.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the round of seed {0} failed; again: SHOPWINDOW_SEED={0} SHOPWINDOW_ROUNDS=1 \
                 cargo test -p shopwindow --test it a_hundred_times -- --ignored --nocapture",
                self.0
            );
        }
    }
}

/// Splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
