//! Visitors of the shop: they see banners, click some of them, and order now and then.

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;
use events::{Event, EventType, SiteVersion};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::Traffic;
use crate::random::Random;

/// How busy the hours of a day are, from midnight on; their mean is 32.
const HOURS: [u32; 24] = [12, 8, 5, 4, 4, 6, 12, 20, 29, 35, 39, 41, 43, 43, 42, 42, 43, 47, 52, 58, 62, 56, 41, 24];

/// How busy the days of a week are, from Monday on; their mean is 100.
const DAYS: [u32; 7] = [94, 95, 95, 97, 101, 111, 107];

/// Events a second, on average over a week.
const MEAN_PACE: f64 = 10.0;

/// Visitors who are there at once.
const VISITS: usize = 100;

/// Visitors who have been there before the simulation began, for some to come back.
const KNOWN: u64 = 10_000;

struct Product {
    slug: &'static str,
    name: &'static str,
    cents: i64,
    /// Of a thousand banners.
    shown: u64,
    /// Of a hundred clicks.
    ordered: u64,
}

/// The shop's own shelf; what is shown and ordered is about as in the published product.csv.
const PRODUCTS: [Product; 5] = [
    Product { slug: "clothes", name: "Harbour coat", cents: 14_900, shown: 211, ordered: 46 },
    Product { slug: "electronics", name: "Lull headphones", cents: 18_900, shown: 204, ordered: 8 },
    Product { slug: "sneakers", name: "Drift 01 running shoe", cents: 9_800, shown: 201, ordered: 36 },
    Product { slug: "sports_nutrition", name: "Basecamp oat bar", cents: 3_450, shown: 193, ordered: 16 },
    Product { slug: "accessories", name: "Noon field watch", cents: 12_900, shown: 191, ordered: 26 },
];

/// Of a thousand banners so many are clicked, by phones, desktops and tablets.
const CLICKED: [(SiteVersion, u64); 3] =
    [(SiteVersion::Mobile, 118), (SiteVersion::Desktop, 70), (SiteVersion::Tablet, 90)];

/// A visitor is the same whenever they come.
struct Visitor {
    number: u64,
    user_id: String,
    site_version: SiteVersion,
    device: &'static str,
    os: &'static str,
}

impl Visitor {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed, number);
        let (site_version, device, systems): (_, _, &[(&str, u64)]) = random.weighted::<(_, _, &[(&str, u64)])>(&[
            ((SiteVersion::Mobile, "Mobile", &[("Android", 55), ("iOS", 45)]), 68),
            ((SiteVersion::Desktop, "Desktop", &[("Windows", 70), ("macOS", 22), ("Linux", 8)]), 27),
            ((SiteVersion::Tablet, "Tablet", &[("iOS", 60), ("Android", 40)]), 5),
        ]);
        let os = random.weighted(systems);
        Self { number, user_id: random.uuid().simple().to_string(), site_version, device, os }
    }
}

/// One visitor from the first banner to the last thing they do.
struct Visit {
    visitor: Visitor,
    session_id: String,
    next: Step,
}

enum Step {
    SeeBanner,
    Click(&'static Product, Uuid),
    Order(&'static Product),
}

pub(crate) struct Shop {
    random: Random,
    seed: u64,
    tz: Tz,
    visits: Vec<Visit>,
    /// The number of the next visitor who has never been there.
    next_visitor: u64,
}

impl Shop {
    pub(crate) fn new(seed: u64, tz: Tz) -> Self {
        let mut shop = Self { random: Random::new(seed, u64::MAX), seed, tz, visits: Vec::new(), next_visitor: KNOWN };
        while shop.visits.len() < VISITS {
            let visit = shop.visit();
            shop.visits.push(visit);
        }
        shop
    }

    /// Someone comes in who is not there already: two out of five have been there before.
    fn visit(&mut self) -> Visit {
        let number = loop {
            let number = if self.random.happens(2, 5) {
                self.random.below(self.next_visitor)
            } else {
                self.next_visitor += 1;
                self.next_visitor - 1
            };
            if self.visits.iter().all(|visit| visit.visitor.number != number) {
                break number;
            }
        };
        let session_id = self.random.uuid().simple().to_string();
        Visit { visitor: Visitor::new(self.seed, number), session_id, next: Step::SeeBanner }
    }
}

impl Traffic for Shop {
    fn pace(&self, at: DateTime<Utc>) -> f64 {
        let local = at.with_timezone(&self.tz);
        let day = DAYS[local.weekday().num_days_from_monday() as usize];
        MEAN_PACE * f64::from(HOURS[local.hour() as usize]) / 32.0 * f64::from(day) / 100.0
    }

    fn next(&mut self, occurred_at: DateTime<Utc>) -> Event<'static> {
        let random = &mut self.random;
        let here = random.below(VISITS as u64) as usize;
        let visit = &mut self.visits[here];
        let visitor = &visit.visitor;
        let event_type = match visit.next {
            Step::SeeBanner => EventType::BannerShow,
            Step::Click(..) => EventType::BannerClick,
            Step::Order(_) => EventType::Order,
        };
        let mut event = Event::new(event_type, visitor.user_id.clone(), crate::SOURCE);
        event.event_id = random.uuid();
        event.occurred_at = occurred_at;
        event.session_id = Some(visit.session_id.clone().into());
        event.site_version = Some(visitor.site_version);
        event.device = Some(visitor.device.into());
        event.os = Some(visitor.os.into());
        // who has ordered, or seen enough, goes
        let next = match &visit.next {
            Step::SeeBanner => {
                let shown: [_; PRODUCTS.len()] = std::array::from_fn(|n| (&PRODUCTS[n], PRODUCTS[n].shown));
                let product = random.weighted(&shown);
                let page = random.uuid();
                event.product = Some(product.slug.into());
                event.page_id = Some(page.simple().to_string().into());
                let clicked = CLICKED.iter().find(|(site_version, _)| *site_version == visitor.site_version);
                if random.happens(clicked.map_or(0, |(_, clicked)| *clicked), 1_000) {
                    Some(Step::Click(product, page))
                } else {
                    random.happens(3, 4).then_some(Step::SeeBanner)
                }
            }
            Step::Click(product, page) => {
                event.product = Some(product.slug.into());
                event.page_id = Some(page.simple().to_string().into());
                if random.happens(product.ordered, 100) {
                    Some(Step::Order(product))
                } else {
                    random.happens(2, 3).then_some(Step::SeeBanner)
                }
            }
            Step::Order(product) => {
                let price = Decimal::new(product.cents, 2);
                event.product = Some(product.slug.into());
                event.product_name = Some(product.name.into());
                event.order_id = Some(event.event_id.simple().to_string().into());
                event.price = Some(price);
                event.quantity = Some(1);
                event.amount = Some(price);
                event.currency = Some("USD".into());
                None
            }
        };
        match next {
            Some(next) => visit.next = next,
            None => self.visits[here] = self.visit(),
        }
        event
    }
}
