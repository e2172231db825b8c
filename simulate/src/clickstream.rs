//! The clicks of a department store in Poland: views, carts and purchases of users who come back.

use chrono::{DateTime, Utc};
use events::{Event, EventType};
use rust_decimal::Decimal;

use crate::random::Random;
use crate::{Traffic, site_version};

/// The first of the users; so many there are.
const FIRST_USER: u64 = 10_000;
const USERS: u64 = 90_000;

/// Users who are there at once.
const VISITS: usize = 100;

type Product = (&'static str, u32, u32);

/// What is sold in each category, at a price between two.
const CATEGORIES: [(&str, &[Product]); 4] = [
    (
        "Electronics",
        &[
            ("MacBook Pro M3", 8_000, 15_000),
            ("Gaming Laptop MSI", 4_000, 9_000),
            ("iPhone 15", 4_000, 6_000),
            ("Samsung Galaxy S24", 3_500, 5_500),
            ("Sony WH-1000XM5", 1_200, 1_600),
            ("Logitech MX Master 3", 400, 550),
            ("4K Monitor Dell", 1_500, 3_000),
        ],
    ),
    (
        "Fashion",
        &[
            ("Nike Air Jordan", 500, 1_200),
            ("Adidas Ultraboost", 600, 900),
            ("Levi's 501 Jeans", 300, 500),
            ("North Face Jacket", 800, 1_500),
            ("Ray-Ban Aviator", 400, 700),
            ("Cotton T-Shirt Basic", 50, 120),
        ],
    ),
    (
        "Home & Garden",
        &[
            ("Dyson Vacuum V15", 2_500, 3_500),
            ("Philips Hue Starter Kit", 600, 900),
            ("IKEA Standing Desk", 800, 1_500),
            ("KitchenAid Mixer", 2_000, 3_000),
            ("Nespresso Machine", 400, 800),
        ],
    ),
    (
        "Books & Media",
        &[
            ("Python for Data Analysis", 80, 150),
            ("Clean Code", 90, 140),
            ("The Witcher Saga Set", 200, 400),
            ("E-Reader Kindle", 500, 800),
        ],
    ),
];

const MEMBERSHIPS: [(&str, u64); 5] = [("Free", 50), ("Bronze", 20), ("Silver", 15), ("Gold", 10), ("Platinum", 5)];
const AGE_GROUPS: [(&str, u64); 5] = [("18-24", 20), ("25-34", 40), ("35-44", 20), ("45-54", 10), ("55+", 10)];
const TRAFFIC_SOURCES: [(&str, u64); 6] = [
    ("Google Ads", 30),
    ("Organic Search", 20),
    ("Facebook Ads", 20),
    ("Instagram Influencer", 10),
    ("Email Newsletter", 10),
    ("Direct", 10),
];
const DEVICES: [(&str, u64); 3] = [("Mobile", 60), ("Desktop", 35), ("Tablet", 5)];
const PAYMENTS: [&str; 5] = ["Credit Card", "BLIK", "PayPal", "Apple Pay", "Google Pay"];

/// Larger cities have more users.
const CITIES: [(&str, u64); 10] = [
    ("Warszawa", 28),
    ("Kraków", 14),
    ("Wrocław", 12),
    ("Łódź", 11),
    ("Poznań", 10),
    ("Gdańsk", 8),
    ("Szczecin", 6),
    ("Lublin", 5),
    ("Bydgoszcz", 3),
    ("Białystok", 3),
];

/// A user is the same whenever they come.
#[derive(Clone, Copy)]
struct User {
    number: u64,
    membership: &'static str,
    gender: &'static str,
    age_group: &'static str,
    city: &'static str,
    device: &'static str,
    os: &'static str,
}

impl User {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed, number);
        let device = random.weighted(&DEVICES);
        let os = if device == "Mobile" { random.one_of(&["iOS", "Android"]) } else { "Windows" };
        Self {
            number,
            membership: random.weighted(&MEMBERSHIPS),
            gender: random.one_of(&["M", "F"]),
            age_group: random.weighted(&AGE_GROUPS),
            city: random.weighted(&CITIES),
            device,
            os,
        }
    }
}

struct Visit {
    user: User,
    session_id: String,
    traffic_source: &'static str,
    next: Step,
}

/// Something of the catalog at the price that the visitor is shown.
#[derive(Clone, Copy)]
struct Offer {
    category: &'static str,
    product: &'static str,
    price: Decimal,
}

#[derive(Clone, Copy)]
enum Step {
    SayWho,
    View,
    Cart(Offer),
    Purchase(Offer),
}

pub(crate) struct Clickstream {
    random: Random,
    seed: u64,
    visits: Vec<Visit>,
    /// For each user, whether it has been told who they are.
    told: Vec<bool>,
}

impl Clickstream {
    pub(crate) fn new(seed: u64) -> Self {
        let mut clickstream =
            Self { random: Random::new(seed, u64::MAX), seed, visits: Vec::new(), told: vec![false; USERS as usize] };
        while clickstream.visits.len() < VISITS {
            let visit = clickstream.visit();
            clickstream.visits.push(visit);
        }
        clickstream
    }

    /// Some user comes who is not there already.
    fn visit(&mut self) -> Visit {
        let number = loop {
            let number = FIRST_USER + self.random.below(USERS);
            if self.visits.iter().all(|visit| visit.user.number != number) {
                break number;
            }
        };
        let told = std::mem::replace(&mut self.told[(number - FIRST_USER) as usize], true);
        Visit {
            user: User::new(self.seed, number),
            session_id: self.random.ten_digits(),
            traffic_source: self.random.weighted(&TRAFFIC_SOURCES),
            next: if told { Step::View } else { Step::SayWho },
        }
    }
}

impl Traffic for Clickstream {
    fn pace(&self, _: DateTime<Utc>) -> f64 {
        10.0 / 3.0
    }

    /// 75 views to 20 carts to 5 purchases, each purchase of what was put into the cart, and each cart of what was
    /// viewed. Who a user is comes once, before anything else of them.
    fn next(&mut self, occurred_at: DateTime<Utc>) -> Event<'static> {
        let random = &mut self.random;
        let here = random.below(VISITS as u64) as usize;
        let visit = &mut self.visits[here];
        let (event_type, offer) = match visit.next {
            Step::SayWho => (EventType::UserUpdate, None),
            Step::View => {
                let (category, products) = random.one_of(&CATEGORIES);
                let (product, low, high) = random.one_of(products);
                (EventType::ProductView, Some(Offer { category, product, price: random.money(low, high) }))
            }
            Step::Cart(offer) => (EventType::Cart, Some(offer)),
            Step::Purchase(offer) => (EventType::Order, Some(offer)),
        };
        let User { number, membership, gender, age_group, city, device, os } = visit.user;
        let mut event = Event::new(event_type, number.to_string(), crate::SOURCE);
        event.event_id = random.uuid();
        event.occurred_at = occurred_at;
        event.membership_level = Some(membership.into());
        event.gender = Some(gender.into());
        event.age_group = Some(age_group.into());
        event.city = Some(city.into());
        event.country = Some("Poland".into());
        if let Some(Offer { category, product, price }) = offer {
            event.session_id = Some(visit.session_id.clone().into());
            event.traffic_source = Some(visit.traffic_source.into());
            event.device = Some(device.into());
            event.os = Some(os.into());
            event.site_version = Some(site_version(device));
            event.category = Some(category.into());
            event.product_name = Some(product.into());
            event.price = Some(price);
            event.quantity = Some(1);
            event.currency = Some("PLN".into());
            if event_type == EventType::Order {
                event.order_id = Some(event.event_id.to_string().into());
                event.amount = Some(price);
                event.payment_method = Some(random.one_of(&PAYMENTS).into());
            }
        }
        // 20 of 75 views lead to a cart, 5 of 20 carts to a purchase; else the user looks on, or goes
        let next = match visit.next {
            Step::SayWho => Some(Step::View),
            Step::View => match offer.filter(|_| random.happens(20, 75)) {
                Some(offer) => Some(Step::Cart(offer)),
                None => random.happens(4, 5).then_some(Step::View),
            },
            Step::Cart(offer) if random.happens(5, 20) => Some(Step::Purchase(offer)),
            Step::Cart(_) | Step::Purchase(_) => random.happens(4, 5).then_some(Step::View),
        };
        match next {
            Some(next) => visit.next = next,
            None => self.visits[here] = self.visit(),
        }
        event
    }
}
