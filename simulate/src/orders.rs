//! Users who view pages and order hardware: the traffic of a dashboard of sales by product, state and user.

use chrono::{DateTime, Utc};
use events::{Event, EventType};
use rust_decimal::Decimal;

use crate::Traffic;
use crate::random::Random;
use crate::users::Users;

/// What is sold, at a price between two.
const PRODUCTS: [(&str, u32, u32); 10] = [
    ("Laptop", 500, 2_000),
    ("Smartphone", 300, 1_500),
    ("Tablet", 200, 800),
    ("Smartwatch", 100, 500),
    ("Headphones", 50, 300),
    ("Camera", 300, 2_000),
    ("Printer", 100, 500),
    ("Speaker", 50, 400),
    ("Monitor", 100, 600),
    ("Keyboard", 20, 150),
];

const STATES: [&str; 10] =
    ["Illinois", "Indiana", "Iowa", "Kansas", "Michigan", "Minnesota", "Missouri", "Nebraska", "Ohio", "Wisconsin"];

const STATUSES: [&str; 3] = ["Shipped", "Pending", "Completed"];

pub(crate) struct Orders {
    random: Random,
    users: Users,
    /// Users of whom has been told.
    told: usize,
    /// Whether the users were made up, so that they may change.
    made_up: bool,
}

impl Orders {
    /// With the users of a file, or with nine of its own.
    pub(crate) fn new(seed: u64, users: Option<Users>) -> Self {
        let mut random = Random::new(seed, u64::MAX);
        let made_up = users.is_none();
        let users = users.unwrap_or_else(|| Users::nine(&mut random));
        Self { random, users, told: 0, made_up }
    }
}

impl Traffic for Orders {
    fn pace(&self, _: DateTime<Utc>) -> f64 {
        3.0
    }

    /// First everything about the users, then what they do: 70 page views to 28 orders, and now and then a
    /// user moves to another region.
    fn next(&mut self, occurred_at: DateTime<Utc>) -> Event<'static> {
        let random = &mut self.random;
        let (kind, user) = if self.told < self.users.len() {
            self.told += 1;
            (EventType::UserUpdate, self.told - 1)
        } else {
            let moves = if self.made_up { 2 } else { 0 };
            let kinds = [(EventType::PageView, 70), (EventType::Order, 28), (EventType::UserUpdate, moves)];
            match random.weighted(&kinds) {
                EventType::UserUpdate => (EventType::UserUpdate, self.users.move_one(random)),
                kind => (kind, random.below(self.users.len() as u64) as usize),
            }
        };
        let mut event = Event::new(kind, self.users.id(user).to_owned(), crate::SOURCE);
        event.event_id = random.uuid();
        event.occurred_at = occurred_at;
        match kind {
            EventType::UserUpdate => self.users.tell(user, &mut event),
            EventType::PageView => event.page_id = Some(format!("Page_{}", random.between(10, 99)).into()),
            _ => {
                let (product, low, high) = random.one_of(&PRODUCTS);
                let price = random.money(low, high);
                let quantity = random.between(1, 5) as i32;
                event.order_id = Some(event.event_id.to_string().into());
                event.product = Some(product.into());
                event.price = Some(price);
                event.quantity = Some(quantity);
                event.amount = Some(price * Decimal::from(quantity));
                event.currency = Some("USD".into());
                event.state = Some(random.one_of(&STATES).into());
                event.status = Some(random.one_of(&STATUSES).into());
            }
        }
        event
    }
}
