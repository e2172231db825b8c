//! Random questions, and how their answers are compared.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgPool;

use crate::app::App;

/// So many zones are drawn for each run.
const OTHER_ZONES: usize = 8;

/// Zones whose days are awkward.
pub(crate) const ZONES: [&str; 8] = [
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Berlin",
];

#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Each day has zones and questions of its own, unless a seed is given; says how to have them again.
    pub(crate) fn of_today() -> (u64, Self) {
        let default = u64::from(Utc::now().date_naive().num_days_from_ce().unsigned_abs());
        let seed = std::env::var("SHOPWINDOW_SEED").map_or(default, |seed| seed.parse().unwrap());
        println!("again: SHOPWINDOW_SEED={seed}");
        (seed, Self(seed))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// Zones besides the awkward ones.
pub(crate) async fn other_zones(random: &mut Random, pool: &PgPool) -> Vec<String> {
    let names: Vec<String> = sqlx::query_scalar(include_str!("../../queries/zones.sql")).fetch_all(pool).await.unwrap();
    (0..OTHER_ZONES).map(|_| names[random.below(names.len() as u64) as usize].clone()).collect()
}

/// All pages of an answer, joined.
pub(crate) async fn pages(app: &App, path: &str, limit: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut page = app.json(&format!("{path}&limit={limit}")).await;
    loop {
        let found = page["rows"].as_array().unwrap();
        rows.extend(found.iter().cloned());
        let Some(next) = page["next"].as_str() else { return rows };
        assert_eq!(found.len(), limit, "{path}: a page that another one follows is full");
        page = app.json(&format!("{path}&limit={limit}&cursor={next}")).await;
    }
}

/// The zone's changes of clocks in a year, or its middle.
pub(crate) async fn moment(random: &mut Random, tz: &str, pool: &PgPool) -> DateTime<Utc> {
    let year = 2011 + random.below(25) as i32;
    let year = if tz == "Pacific/Apia" && random.one_in(2) { 2011 } else { year };
    let start = NaiveDate::from_ymd_opt(year, 1, 2).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
    let changes: Vec<DateTime<Utc>> = sqlx::query_scalar(
        "select hour from generate_series($2, $2 + interval '365 days', interval '1 hour') as hour
         where hour at time zone $1 - (hour - interval '1 hour') at time zone $1 <> interval '1 hour'",
    )
    .bind(tz)
    .bind(start)
    .fetch_all(pool)
    .await
    .unwrap();
    if changes.is_empty() { start + TimeDelta::days(180) } else { random.pick(&changes) }
}

#[track_caller]
pub(crate) fn assert_same(served: &[Value], expected: &[Value], question: &str) {
    if let Some(at) = (0..served.len().max(expected.len())).find(|at| served.get(*at) != expected.get(*at)) {
        panic!(
            "{question}: {} rows are served, {} are right, and row {at} is\n{:?}\nnot\n{:?}",
            served.len(),
            expected.len(),
            served.get(at),
            expected.get(at)
        );
    }
}
