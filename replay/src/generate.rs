//! Data sets of the published shape, so that nobody needs the published file itself.
//!
//! At its full size `product-csv` has exactly the published number of rows of each site version,
//! title and product, of each month, and of users; ids are made as the published ones are. Which
//! user did what and when is drawn at random, from a seed.

mod draw;
mod electronics;
mod plan;
mod rows;

use std::io::{self, Write};
use std::num::NonZeroU32;

use anyhow::Context;

use draw::Draw;
use plan::{PUBLISHED_ROWS, Plan};
use rows::Rows;

/// Generates a data set and writes it to standard output.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// What to generate.
    #[command(subcommand)]
    pub data_set: DataSet,
}

/// A data set that can be generated.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum DataSet {
    /// Banner shows, banner clicks and orders, in the shape of the public product.csv
    ProductCsv(ProductCsv),
    /// Views, carts and purchases, in the shape of the public electronics shop's events.csv
    ElectronicsCsv(ElectronicsCsv),
}

/// Which rows to generate.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ProductCsv {
    /// Rows; the published numbers are scaled to them
    #[arg(long, env = "GENERATE_ROWS", default_value_t = published_rows())]
    pub rows: NonZeroU32,

    /// The same seed makes the same file
    #[arg(long, env = "GENERATE_SEED", default_value_t = 2019)]
    pub seed: u64,
}

/// Which rows to generate.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ElectronicsCsv {
    /// Rows; the published numbers are scaled to them
    #[arg(long, env = "GENERATE_ROWS", default_value_t = NonZeroU32::new(electronics::PUBLISHED_ROWS).expect("not zero"))]
    pub rows: NonZeroU32,

    /// The same seed makes the same file
    #[arg(long, env = "GENERATE_SEED", default_value_t = 2020)]
    pub seed: u64,
}

const fn published_rows() -> NonZeroU32 {
    NonZeroU32::new(PUBLISHED_ROWS).expect("not zero")
}

/// Writes the data set to standard output. A reader that has seen enough and goes away is no error.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let out = &mut io::stdout().lock();
    let written = match &config.data_set {
        DataSet::ProductCsv(data_set) => data_set.write(out),
        DataSet::ElectronicsCsv(data_set) => data_set.write(out),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to standard output"),
    }
}

impl ProductCsv {
    /// Writes the file, header and all, in large pieces. Memory does not depend on the rows.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut draw = Draw::new(self.seed, Plan::scaled(self.rows.get().into()), Rows::new(out));
        draw.all()
    }
}

impl ElectronicsCsv {
    /// Writes the file, header and all.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        electronics::write(u64::from(self.rows.get()), self.seed, out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use md5::{Digest, Md5};

    use super::draw::Random;
    use super::plan::*;
    use super::rows::md5_of;
    use super::*;

    fn generate(rows: u32, seed: u64) -> String {
        let mut out = Vec::new();
        ProductCsv { rows: NonZeroU32::new(rows).unwrap(), seed }.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn records(text: &str) -> Vec<Vec<&str>> {
        text.lines().skip(1).map(|line| line.split(',').collect()).collect()
    }

    /// Rows by site version, title and product.
    type Cells<'t> = BTreeMap<(&'t str, &'t str, &'t str), u64>;

    /// Rows by cell, and by month.
    fn counts<'t>(records: &[Vec<&'t str>]) -> (Cells<'t>, BTreeMap<&'t str, u64>) {
        let (mut cells, mut months) = (BTreeMap::new(), BTreeMap::new());
        for row in records {
            *cells.entry((row[4], row[6], row[3])).or_default() += 1;
            *months.entry(&row[5][..7]).or_default() += 1;
        }
        (cells, months)
    }

    #[test]
    fn a_thousand_rows_have_the_published_proportions() {
        let text = generate(1_000, 1);
        let (cells, months) = counts(&records(&text));
        let mut sum = 0;
        for (site, title, products) in [
            ("desktop", "banner_show", [48, 49, 56, 49, 49]),
            ("desktop", "banner_click", [2, 4, 3, 3, 2]),
            ("desktop", "order", [3, 8, 0, 4, 1]),
            ("mobile", "banner_show", [122, 122, 130, 123, 124]),
            ("mobile", "banner_click", [14, 22, 14, 19, 16]),
            ("mobile", "order", [3, 5, 0, 4, 1]),
        ] {
            for (product, rows) in PRODUCTS.into_iter().zip(products) {
                assert_eq!(cells.get(&(site, title, product)).copied().unwrap_or(0), rows, "{site} {title} {product}");
                sum += rows;
            }
        }
        assert_eq!(sum, 1_000);
        let expected = [("2019-01", 173), ("2019-02", 150), ("2019-03", 195), ("2019-04", 231), ("2019-05", 251)];
        assert_eq!(months, BTreeMap::from(expected));
        let times: BTreeSet<&str> = records(&text).iter().map(|row| row[5]).collect();
        assert_eq!(times.first(), Some(&"2019-01-01 00:00:03"));
        assert_eq!(times.last(), Some(&"2019-05-31 23:59:58"));
    }

    #[test]
    fn every_number_of_rows_is_shared_out_without_a_rest() {
        for rows in (1..=300).chain([1_234, 9_999]) {
            let text = generate(rows, rows.into());
            let records = records(&text);
            assert_eq!(records.len() as u32, rows);
            let (cells, months) = counts(&records);
            let shares = scaled(CELLS.as_flattened().as_flattened(), rows.into());
            assert_eq!(shares.iter().sum::<u64>(), u64::from(rows));
            let mut shares = shares.into_iter();
            for site in SITES {
                for title in TITLES {
                    for product in PRODUCTS {
                        let counted = cells.get(&(site, title, product)).copied();
                        assert_eq!(counted.unwrap_or(0), shares.next().unwrap(), "{rows} {site} {title} {product}");
                    }
                }
            }
            let shares = scaled(&MONTHS, rows.into());
            for (month, share) in (1..).zip(shares) {
                let counted = months.get(format!("2019-{month:02}").as_str()).copied();
                assert_eq!(counted.unwrap_or(0), share, "{rows} rows, month {month}");
            }
        }
    }

    #[test]
    fn ids_are_made_as_the_published_ones_are() {
        let text = generate(1_000, 1);
        let records = records(&text);
        // md5 of 0, 1 and 999
        assert_eq!(records[0][0], "cfcd208495d565ef66e7dff9f98764da");
        assert_eq!(records[1][0], "c4ca4238a0b923820dcc509a6f75849b");
        assert_eq!(records[999][0], "b706835de79a2b4e80506f582af3676a");
        // md5 of 2 and 3: the published file begins with user 2, who has one row, a click without its show
        assert_eq!(records[0][1..5], ["c81e728d9d4c2f636f067f89cc14862c", records[0][2], "sneakers", "desktop"]);
        assert_eq!(records[0][6], "banner_click");
        assert_eq!(records[1][1], "eccbc87e4b5ce2fe28308fd9f2a7baf3");
        for row in &records {
            // md5 of nan
            assert_eq!(row[6] == "order", row[2] == "a3d2de7675556553a5f08e4c88d2c228", "{row:?}");
            assert_eq!(row[7], if row[6] == "order" { "1" } else { "0" }, "{row:?}");
        }
    }

    #[test]
    fn users_are_all_there_in_their_order_and_see_a_banner_first() {
        let text = generate(1_000, 1);
        let records = records(&text);
        let mut users = Vec::new();
        let mut sites: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in &records {
            if users.last() != Some(&row[1]) {
                users.push(row[1]);
                assert!(users.len() == 1 || row[6] == "banner_show", "{row:?}");
            }
            sites.entry(row[4]).or_default().insert(row[1]);
        }
        // 4,254,619 users, 1,424,772 on desktop and 2,857,187 on mobile, of 8,471,220 rows
        assert_eq!((users.len(), sites["desktop"].len(), sites["mobile"].len()), (502, 168, 337));
        assert_eq!(users.iter().collect::<BTreeSet<_>>().len(), users.len(), "a user's rows are together");
        assert_eq!(users[501], String::from_utf8_lossy(&md5_of("503")));
    }

    #[test]
    fn a_click_follows_the_show_of_its_page_within_minutes() {
        let text = generate(10_000, 7);
        let records = records(&text);
        let mut pages = BTreeSet::new();
        let mut apart = 0;
        for pair in records.windows(2) {
            let [before, row] = pair else { unreachable!() };
            if row[6] == "banner_click" {
                assert_eq!((before[6], &before[1..5]), ("banner_show", &row[1..5]));
                assert!(before[5] <= row[5], "{before:?} {row:?}");
                apart += usize::from(before[5][..10] != row[5][..10]);
            } else if row[6] == "banner_show" {
                assert!(pages.insert(row[2]), "each show has a page of its own");
            }
        }
        assert!(apart < 20, "{apart} clicks on another day than their show");
    }

    #[test]
    fn the_same_seed_makes_the_same_file_for_ever() {
        assert_eq!(generate(500, 3), generate(500, 3));
        assert_ne!(generate(500, 3), generate(500, 4));
        let mut random = Random(1_234_567);
        // the published test values of the algorithm
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        assert_eq!(hex(&Md5::digest(generate(10_000, 2019))), "286a67f26a51732f7ba0e7fb39b9c6ed");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Counts instead of keeping; the whole file is 1.3 GB.
    #[derive(Default)]
    struct Counted {
        bytes: u64,
        rest: Vec<u8>,
        cells: BTreeMap<String, u64>,
        months: BTreeMap<String, u64>,
        users: u64,
        last_user: String,
    }

    impl Write for Counted {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.bytes += piece.len() as u64;
            self.rest.extend_from_slice(piece);
            let end = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
            let rest = self.rest.split_off(end);
            let text = String::from_utf8(std::mem::replace(&mut self.rest, rest)).unwrap();
            for line in text.lines().filter(|line| !line.starts_with("order_id")) {
                let row: Vec<&str> = line.split(',').collect();
                *self.cells.entry(format!("{} {} {}", row[4], row[6], row[3])).or_default() += 1;
                *self.months.entry(row[5][..7].to_owned()).or_default() += 1;
                if self.last_user != row[1] {
                    self.users += 1;
                    row[1].clone_into(&mut self.last_user);
                }
            }
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    #[ignore = "takes a minute or more: for `make full`"]
    fn the_full_file_has_the_published_counts_to_the_row_and_size_to_the_byte() {
        let mut file = Counted::default();
        ProductCsv { rows: published_rows(), seed: 2019 }.write(&mut file).unwrap();
        assert_eq!(file.bytes, 1_278_362_364);
        assert_eq!(file.users, 4_254_619);
        assert_eq!(file.months.into_values().collect::<Vec<_>>(), MONTHS);
        for (site, titles) in SITES.iter().zip(CELLS) {
            for (title, products) in TITLES.iter().zip(titles) {
                for (product, rows) in PRODUCTS.iter().zip(products) {
                    let counted = file.cells.get(&format!("{site} {title} {product}")).copied();
                    assert_eq!(counted.unwrap_or(0), rows, "{site} {title} {product}");
                }
            }
        }
    }
}
