//! The data set `electronics-csv`: a file in the form of the public electronics shop's `events.csv`.
//!
//! At its full size it has exactly the published number of rows of each type and, repeats aside, of each
//! month, of true repeats, of rows without category, brand and session, and of users, sessions and
//! products. Brands, categories and prices are made up.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Utc};

use super::draw::Random;
use super::plan::scaled;
use crate::rees46::COLUMNS;

/// Rows of the published file.
pub(super) const PUBLISHED_ROWS: u32 = 885_129;

pub(super) const TYPES: [&str; 3] = ["view", "cart", "purchase"];

/// Published rows by month, September 2020 to February 2021, and type; repeats are not counted.
pub(super) const MONTHS: [[u64; 3]; 6] = [
    [25_640, 1_412, 1_007],
    [146_414, 8_728, 6_276],
    [170_082, 10_435, 7_574],
    [136_719, 9_342, 6_529],
    [166_431, 12_695, 8_315],
    [147_813, 11_420, 7_642],
];

/// Published rows by type that repeat the one before in every field.
pub(super) const REPEATS: [u64; 3] = [649, 3, 3];

/// Published rows without a category code, a brand, a session.
pub(super) const EMPTY: [u64; 3] = [236_219, 212_364, 165];

/// Published numbers of users, sessions and products.
pub(super) const DISTINCT: [u64; 3] = [407_283, 490_398, 53_453];

/// Seconds since 1970 of the first and the last published row, and of the months' ends.
const FIRST: u64 = 1_600_948_626;
const LAST: u64 = 1_614_556_749;
const MONTH_ENDS: [u64; 6] = [1_601_510_400, 1_604_188_800, 1_606_780_800, 1_609_459_200, 1_612_137_600, LAST + 1];

const CATEGORIES: [&str; 12] = [
    "electronics.telephone",
    "computers.components.videocards",
    "computers.peripherals.printer",
    "electronics.audio.headphone",
    "computers.components.cpu",
    "computers.notebook",
    "electronics.tablet",
    "stationery.cartrige",
    "auto.accessories.player",
    "construction.tools.welding",
    "appliances.kitchen.grill",
    "electronics.clocks",
];
const BRANDS: [&str; 12] =
    ["asus", "gigabyte", "msi", "samsung", "sirius", "hp", "sony", "intel", "pioneer", "xiaomi", "palit", "canon"];

/// A visit that may go on; how many are remembered.
const OPEN_SESSIONS: usize = 64;

/// How many of something are left to be drawn; each number comes out exactly.
struct Left(u64);

impl Left {
    /// Whether the next of `rest` draws is one of them.
    fn draw(&mut self, random: &mut Random, rest: u64) -> bool {
        let drawn = random.below(rest) < self.0;
        self.take(drawn)
    }

    /// One is taken where there is no choice.
    fn take(&mut self, taken: bool) -> bool {
        self.0 = self.0.saturating_sub(u64::from(taken));
        taken
    }
}

/// Writes the file, header and all.
pub(super) fn write(rows: u64, seed: u64, out: &mut impl Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    writeln!(out, "{}", COLUMNS.join(","))?;
    let total = u64::from(PUBLISHED_ROWS);
    let share = |count: u64| (count * rows + total / 2) / total;
    let repeats = REPEATS.map(share);
    let originals = rows - repeats.iter().sum::<u64>();
    let flat = scaled(MONTHS.as_flattened(), originals);

    let mut random = Random(seed);
    let mut repeats = repeats;
    let mut empty = EMPTY.map(|count| Left(share(count)));
    let [mut new_users, mut new_sessions, mut new_products] = DISTINCT.map(|count| Left(share(count).min(originals)));
    let (mut users, mut sessions) = (0_u64, 0_u64);
    // by whether they have a category and a brand
    let mut products: [Vec<u64>; 4] = Default::default();
    let mut number_of_products = 0;
    let mut open: Vec<(u64, u64)> = Vec::with_capacity(OPEN_SESSIONS);
    let mut rest = rows;
    let mut rest_originals = originals;
    let mut of_second: (u64, Vec<String>) = (0, Vec::new());
    for month in 0..MONTHS.len() {
        let mut types = [0, 1, 2].map(|kind| flat[month * TYPES.len() + kind]);
        let in_month: u64 = types.iter().sum();
        let start = if month == 0 { FIRST } else { MONTH_ENDS[month - 1] };
        let seconds = MONTH_ENDS[month] - start;
        for place in 0..in_month {
            let kind = random.pick(&mut types);
            let (step, end) = (place * seconds / in_month, (place + 1) * seconds / in_month);
            let time = match rest_originals {
                left if left == originals => FIRST,
                1 => LAST,
                _ => start + step + random.below((end - step).max(1)),
            };
            let [is_without_category, is_without_brand, is_without_session] =
                [0, 1, 2].map(|field| random.below(rest) < empty[field].0);

            let begins = if open.is_empty() {
                new_sessions.take(true)
            } else {
                // a session that no row tells of would be one too few
                !is_without_session && new_sessions.draw(&mut random, rest_originals)
            };
            let (session, user) = if begins {
                let rest_sessions = new_sessions.0 + 1;
                let is_new = users == 0 || random.below(rest_sessions) < new_users.0;
                let user = if is_new { users } else { random.below(users) };
                if is_new {
                    new_users.take(true);
                    users += 1;
                }
                let visit = (sessions, user);
                sessions += 1;
                if open.len() < OPEN_SESSIONS {
                    open.push(visit);
                } else {
                    open[random.below(OPEN_SESSIONS as u64) as usize] = visit;
                }
                visit
            } else {
                open[random.below(open.len() as u64) as usize]
            };
            let class = usize::from(is_without_category) * 2 + usize::from(is_without_brand);
            let is_new = if products[class].is_empty() {
                new_products.take(true)
            } else {
                new_products.draw(&mut random, rest_originals)
            };
            let mut product = if is_new {
                number_of_products += 1;
                products[class].push(number_of_products);
                number_of_products
            } else {
                products[class][random.below(products[class].len() as u64) as usize]
            };

            let line = loop {
                let category = if is_without_category { "" } else { CATEGORIES[product as usize % CATEGORIES.len()] };
                let brand = if is_without_brand { "" } else { BRANDS[product as usize / 3 % BRANDS.len()] };
                let session = if is_without_session { String::new() } else { session_id(session) };
                // a price of its own, from 0.22 on, most of them low
                let spread = Random(product).below(1 << 20);
                let cents = 22 + spread * spread * spread / ((1 << 30) * 2_600) + spread / 300;
                let line = format!(
                    "{} UTC,{},{},{},{category},{brand},{}.{:02},{},{session}",
                    DateTime::<Utc>::from_timestamp(time as i64, 0).unwrap_or_default().format("%Y-%m-%d %H:%M:%S"),
                    TYPES[kind],
                    102 + product * 79,
                    2_144_415_921_169_498_184 + product % 718 * 33_554_448,
                    cents / 100,
                    cents % 100,
                    1_515_915_625_353_226_922 + user * 661,
                );
                if of_second.0 != time {
                    of_second = (time, Vec::new());
                }
                // it would be one repeat too many
                if of_second.1.contains(&line) {
                    product = products[class][random.below(products[class].len() as u64) as usize];
                    if products[class].len() > 1 {
                        continue;
                    }
                }
                break line;
            };
            writeln!(out, "{line}")?;

            let mut copies = 1;
            let flags = [is_without_category, is_without_brand, is_without_session];
            // what is left must still come out
            let fits = |copies: u64, empty: &[Left; 3]| {
                flags.iter().zip(empty).all(
                    |(is_empty, left)| {
                        if *is_empty { left.0 >= copies } else { left.0 <= rest - copies }
                    },
                )
            };
            while repeats[kind] > 0
                && copies < 4
                && fits(copies + 1, &empty)
                && random.below(rest_originals) < repeats[kind] * if kind == 0 { 2 } else { 40 }
            {
                repeats[kind] -= 1;
                copies += 1;
                writeln!(out, "{line}")?;
            }
            of_second.1.push(line);
            for (is_empty, left) in flags.iter().zip(&mut empty) {
                left.0 -= if *is_empty { copies } else { 0 };
            }
            rest -= copies;
            rest_originals -= 1;
        }
    }
    out.flush()
}

/// Ten letters and digits, of another number others.
fn session_id(number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // odd, so that no two numbers give the same
    let mut rest = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 59) - 1);
    let digit = |_| {
        let digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
        char::from(digit)
    };
    (0..10).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn generate(rows: u64, seed: u64) -> String {
        let mut out = Vec::new();
        write(rows, seed, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What the published figures are about.
    #[derive(Debug, PartialEq)]
    struct Figures {
        rows: u64,
        types: [u64; 3],
        months: [[u64; 3]; 6],
        repeats: u64,
        empty: [u64; 3],
        distinct: [u64; 3],
    }

    fn figures(text: &str) -> Figures {
        let mut found =
            Figures { rows: 0, types: [0; 3], months: [[0; 3]; 6], repeats: 0, empty: [0; 3], distinct: [0; 3] };
        let mut distinct: [BTreeSet<&str>; 3] = Default::default();
        let mut seen = BTreeSet::new();
        let mut before = "";
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 9, "{line}");
            assert!(fields[0] >= before, "{line} comes after {before}");
            before = fields[0];
            let kind = TYPES.iter().position(|kind| *kind == fields[1]).unwrap();
            found.rows += 1;
            found.types[kind] += 1;
            if seen.insert(line) {
                let month = ["2020-09", "2020-10", "2020-11", "2020-12", "2021-01", "2021-02"];
                found.months[month.iter().position(|month| fields[0].starts_with(month)).unwrap()][kind] += 1;
            } else {
                found.repeats += 1;
            }
            for (count, field) in found.empty.iter_mut().zip([4, 5, 8]) {
                *count += u64::from(fields[field].is_empty());
            }
            for (set, field) in distinct.iter_mut().zip([7, 8, 2]) {
                set.insert(fields[field]);
            }
        }
        distinct[1].remove("");
        found.distinct = distinct.map(|set| set.len() as u64);
        found
    }

    #[test]
    fn a_hundredth_of_the_file_has_the_published_proportions() {
        let found = figures(&generate(8_851, 1));
        assert_eq!((found.rows, found.repeats), (8_851, 6));
        assert_eq!(found.types, [7_937, 540, 374]);
        assert_eq!(found.empty, [2_362, 2_124, 2]);
        assert!(found.distinct[0].abs_diff(4_073) < 40, "{found:?}");
    }

    #[test]
    fn every_number_of_rows_comes_out_and_the_same_seed_makes_the_same_file() {
        for rows in [1, 2, 3, 10, 99, 500, 1_234] {
            assert_eq!(generate(rows, rows).lines().count() as u64, rows + 1);
        }
        assert_eq!(generate(500, 3), generate(500, 3));
        assert_ne!(generate(500, 3), generate(500, 4));
        let times: BTreeMap<&str, u64> = generate(500, 3).leak().lines().skip(1).map(|line| (&line[..23], 1)).collect();
        assert_eq!(times.first_key_value(), Some((&"2020-09-24 11:57:06 UTC", &1)));
        assert_eq!(times.last_key_value(), Some((&"2021-02-28 23:59:09 UTC", &1)));
    }

    #[test]
    #[ignore = "takes a minute or more: for `make full`"]
    fn the_full_file_has_the_published_counts_to_the_row() {
        let found = figures(&generate(PUBLISHED_ROWS.into(), 2020));
        assert_eq!(found.rows, 885_129);
        assert_eq!(found.types, [793_748, 54_035, 37_346]);
        assert_eq!(found.months, MONTHS);
        assert_eq!((found.repeats, found.empty), (655, EMPTY));
        assert_eq!(found.distinct, DISTINCT);
    }
}
