//! Rows in, report out.

use std::collections::BTreeMap;

use crate::column::Gathered;
use crate::distinct::Distinct;
use crate::hash;
use crate::numbers::{Number, Numbers, Ranges, Sum};
use crate::report::{Named, Price, Profile, Quality, Rate, Stage, Usage, Value};
use crate::values::{Share, Values, percent, text};

/// Values of a distribution that are named.
const TOP: usize = 20;
/// Rows that are shown.
const SAMPLE: usize = 5;
/// Event types that are told apart; a file with more has none.
const STAGES: usize = 64;

/// Columns by what they are taken for, in the order of preference. The first that has a value in a row counts.
const TYPE: &[&str] = &["event_type", "title", "event_name", "event", "action"];
const USER: &[&str] = &["user_id", "user", "customer_id", "visitor_id", "userid"];
const SESSION: &[&str] = &["session_id", "user_session", "session"];
const BRAND: &[&str] = &["brand"];
const CATEGORY: &[&str] = &["category_code", "category", "product_category", "product"];
const PRICE: &[&str] = &["price", "amount", "unit_price"];
const CURRENCY: &[&str] = &["currency"];

/// The steps whose rates are told, each by the words that data sets have for it.
const SHOW: &[&str] = &["banner_show"];
const CLICK: &[&str] = &["banner_click"];
const VIEW: &[&str] = &["product_view", "view", "view_product"];
const CART: &[&str] = &["cart", "add_to_cart"];
const ORDER: &[&str] = &["order", "purchase"];
const RATES: &[(&[&str], &[&str])] =
    &[(SHOW, CLICK), (CLICK, ORDER), (SHOW, ORDER), (VIEW, CART), (VIEW, ORDER), (CART, ORDER)];

/// What of a row makes it another than those before, however often it was sent and wherever it is kept.
const NOT_THE_ROW: &[&str] = &["event_id", "import_id", "stored_at", "topic", "partition", "offset"];

/// A profile while the rows come. Its memory has a bound, whatever comes.
pub(crate) struct Gathering {
    columns: Vec<Gathered>,
    roles: Roles,
    rows: u64,
    irregular: u64,
    unreadable: u64,
    row_hashes: Distinct,
    /// Which columns a row is told by.
    of_row: Vec<bool>,
    hashes: Vec<Option<u64>>,
    categories: Values,
    brands: Values,
    brand_types: Values,
    stages: Vec<GatheredStage>,
    price: Numbers,
    ranges: Ranges,
    sample: Vec<Vec<Option<String>>>,
}

struct Roles {
    event_type: Vec<usize>,
    user: Vec<usize>,
    session: Vec<usize>,
    brand: Vec<usize>,
    category: Vec<usize>,
    price: Vec<usize>,
    currency: Vec<usize>,
}

struct GatheredStage {
    name: Vec<u8>,
    events: u64,
    users: Distinct,
    /// By currency.
    sums: BTreeMap<Vec<u8>, Sum>,
}

impl Gathering {
    /// `stored` rows have ids and places that say nothing about what happened.
    pub(crate) fn new(header: &[String], stored: bool) -> Self {
        let find = |names: &[&str]| {
            let place = |name: &&str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
            names.iter().filter_map(place).collect::<Vec<_>>()
        };
        Self {
            columns: header.iter().map(|name| Gathered::new(name)).collect(),
            roles: Roles {
                event_type: find(TYPE),
                user: find(USER),
                session: find(SESSION),
                brand: find(BRAND),
                category: find(CATEGORY),
                price: find(PRICE),
                currency: find(CURRENCY),
            },
            rows: 0,
            irregular: 0,
            unreadable: 0,
            row_hashes: Distinct::new(Distinct::ROWS),
            of_row: header.iter().map(|name| !(stored && NOT_THE_ROW.contains(&name.as_str()))).collect(),
            hashes: vec![None; header.len()],
            categories: Values::default(),
            brands: Values::default(),
            brand_types: Values::default(),
            stages: Vec::new(),
            price: Numbers::default(),
            ranges: Ranges::default(),
            sample: Vec::new(),
        }
    }

    /// A row that cannot be split into fields.
    pub(crate) fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Counts a row. Fields that it lacks are null, those that it has too many are left out.
    pub(crate) fn row(&mut self, fields: &[Option<&[u8]>]) {
        self.rows += 1;
        if fields.len() != self.columns.len() {
            self.irregular += 1;
        }
        let mut row = 0;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let hash = column.add(fields.get(place).copied().flatten());
            self.hashes[place] = hash;
            if self.of_row[place] {
                row = hash::join(row, hash.unwrap_or_default());
            }
        }
        // the last step of a good hash: what is joined last is mixed the least
        self.row_hashes.add(hash::join(hash::join(row, 0), 0));
        if self.sample.len() < SAMPLE {
            let shown = |place| fields.get(place).copied().flatten().map(text);
            self.sample.push((0..self.columns.len()).map(shown).collect());
        }
        self.events(fields);
    }

    /// What a row says as an event of a shop.
    fn events(&mut self, fields: &[Option<&[u8]>]) {
        let hashes = &self.hashes;
        // the first place of a role that has a value, with its hash
        let first = |places: &[usize]| {
            places.iter().find_map(|&place| hashes[place].map(|hash| (hash, fields[place].unwrap_or_default())))
        };
        let event_type = first(&self.roles.event_type);
        let brand = first(&self.roles.brand);
        if let Some((hash, category)) = first(&self.roles.category) {
            match category.iter().position(|&byte| byte == b'.') {
                Some(end) => self.categories.add(hash::of(&category[..end]), &category[..end]),
                None => self.categories.add(hash, category),
            };
        }
        if let Some((hash, brand)) = brand {
            self.brands.add(hash, brand);
            if let Some((type_hash, event_type)) = event_type {
                let both = hash::join(hash, type_hash);
                self.brand_types.add(both, &[brand, b"\x1f", event_type].concat());
            }
        }
        let price = first(&self.roles.price).and_then(|(_, price)| Number::parse(price));
        if let Some(price) = price {
            self.price.add(price);
            self.ranges.add(price);
        }
        let Some((_, name)) = event_type else { return };
        let place = match self.stages.iter().position(|stage| stage.name == name) {
            Some(place) => place,
            None if self.stages.len() >= STAGES => return,
            None => {
                let users = Distinct::new(Distinct::COLUMN);
                self.stages.push(GatheredStage { name: name.into(), events: 0, users, sums: BTreeMap::new() });
                self.stages.len() - 1
            }
        };
        let stage = &mut self.stages[place];
        stage.events += 1;
        if let Some((user, _)) = first(&self.roles.user) {
            stage.users.add(user);
        }
        if let Some(price) = price {
            let currency = first(&self.roles.currency).map_or(&b""[..], |(_, currency)| currency);
            if let Some(sum) = stage.sums.get_mut(currency) {
                sum.add(price);
            } else if stage.sums.len() < STAGES {
                stage.sums.entry(currency.into()).or_default().add(price);
            }
        }
    }

    pub(crate) fn report(self, source: String) -> Profile {
        let cells = self.rows * self.columns.len() as u64;
        let missing: u64 = self.columns.iter().map(Gathered::missing).sum();
        let named = |places: &[usize]| places.iter().map(|&place| self.columns[place].name.clone()).collect::<Vec<_>>();
        let unique = |places: &[usize]| {
            let column = &self.columns[*places.iter().find(|&&place| self.columns[place].missing() < self.rows)?];
            let distinct = column.distinct();
            let percent_of_rows = percent(distinct.value, self.rows);
            Some(Usage { column: column.name.clone(), distinct, percent_of_rows })
        };
        let distribution = |places: &[usize], values: &Values| {
            (!places.is_empty() && !values.sorted().is_empty())
                .then(|| Named { columns: named(places), distribution: values.distribution(TOP) })
        };
        let crowded = self.stages.len() == STAGES;
        let mut stages: Vec<_> = if crowded { Vec::new() } else { self.stages.iter().collect() };
        stages.sort_by(|a, b| b.events.cmp(&a.events).then(a.name.cmp(&b.name)));
        let events: u64 = stages.iter().map(|stage| stage.events).sum();
        let has_users = !self.roles.user.is_empty();
        let funnel: Vec<_> = stages
            .iter()
            .map(|stage| Stage {
                event_type: text(&stage.name),
                events: stage.events,
                percent: percent(stage.events, events),
                users: has_users.then(|| stage.users.values()),
                value: stage
                    .sums
                    .iter()
                    .map(|(currency, sum)| Value {
                        currency: (!currency.is_empty()).then(|| text(currency)),
                        sum: sum.total(),
                    })
                    .collect(),
            })
            .collect();
        let event_types = (!funnel.is_empty()).then(|| Named {
            columns: named(&self.roles.event_type),
            distribution: crate::Distribution {
                top: funnel
                    .iter()
                    .map(|stage| Share { value: stage.event_type.clone(), rows: stage.events, percent: stage.percent })
                    .collect(),
                other_rows: 0,
                lacking_at_most: 0,
            },
        });
        let currencies = stages.iter().flat_map(|stage| stage.sums.keys()).collect::<std::collections::BTreeSet<_>>();
        let price = self.price.statistics().map(|statistics| Price {
            columns: named(&self.roles.price),
            currencies: currencies.iter().filter(|code| !code.is_empty()).map(|code| text(code)).collect(),
            statistics,
            ranges: self.ranges.shares(),
        });
        Profile {
            source,
            rows: self.rows,
            irregular_rows: self.irregular,
            unreadable_rows: self.unreadable,
            quality: Quality {
                cells,
                missing,
                completeness: percent(cells - missing, cells),
                users: unique(&self.roles.user),
                sessions: unique(&self.roles.session),
            },
            duplicates: self.row_hashes.repeats(),
            event_types,
            brands: distribution(&self.roles.brand, &self.brands),
            categories: distribution(&self.roles.category, &self.categories),
            price,
            rates: rates(&funnel),
            funnel,
            brands_by_type: brands_by_type(&self.brands, &self.brand_types),
            columns: self.columns.iter().map(Gathered::report).collect(),
            sample: self.sample,
        }
    }
}

/// Each known step in per cent of the one before, by events and by users; only from steps that were taken.
fn rates(funnel: &[Stage]) -> Vec<Rate> {
    let find = |words: &[&str]| funnel.iter().find(|stage| words.contains(&stage.event_type.as_str()));
    let rate = |(from, to): &(&[&str], &[&str])| {
        let from = find(from)?;
        let (name, events, users) = match find(to) {
            Some(to) => (to.event_type.clone(), to.events, to.users.map(|users| users.value)),
            None => (to[0].to_owned(), 0, from.users.map(|_| 0)),
        };
        let of_users = from.users.zip(users).map(|(from, to)| percent(to, from.value));
        Some(Rate {
            from: from.event_type.clone(),
            to: name,
            percent: percent(events, from.events),
            users_percent: of_users,
        })
    };
    RATES.iter().filter_map(rate).collect()
}

fn brands_by_type(brands: &Values, brand_types: &Values) -> Vec<(String, BTreeMap<String, u64>)> {
    let mut by_brand: BTreeMap<&[u8], BTreeMap<String, u64>> = BTreeMap::new();
    for (both, count) in brand_types.sorted() {
        if let Some(end) = both.iter().position(|&byte| byte == b'\x1f') {
            by_brand.entry(&both[..end]).or_default().insert(text(&both[end + 1..]), count);
        }
    }
    let known = |(brand, _): (&[u8], u64)| by_brand.get(brand).map(|counts| (text(brand), counts.clone()));
    brands.sorted().into_iter().take(TOP).filter_map(known).collect()
}
