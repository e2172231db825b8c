//! The format `rees46`: the public data sets of an electronics, a cosmetics and a multi-category shop, which
//! were collected by REES46.
//!
//! | column | event |
//! | --- | --- |
//! | `event_time` | `occurred_at` |
//! | `event_type` | `view` is `product_view`, `cart` the same, `remove_from_cart` is `cart_remove`, `purchase` is `order` |
//! | `category_code`, `user_session` | `category`, `session_id` |
//! | `product_id`, `brand`, `price`, `user_id` | the same; an order's `amount` is its price |
//! | `category_id` | the same, an attribute; 19 digits, like `user_id`, and text |
//!
//! Rows have no id, and identical ones are as many events.

use chrono_tz::Tz;
use events::{Event, EventType};
use serde_json::Value;
use uuid::Uuid;

use crate::fields::{present, split};
use crate::times::{self, Clock};

/// What `--format` calls it.
pub(crate) const NAME: &str = "rees46";

/// The `source` of its events, unless another is named.
pub(crate) const SOURCE: &str = "rees46";

/// The columns, in their order.
pub(crate) const COLUMNS: [&str; 9] = [
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
];

/// The event of a line, which is to have the id given. The error says why the line is no event.
pub(crate) fn read<'a>(
    text: &'a str,
    event_id: Uuid,
    timezone: Tz,
    common: &Event<'static>,
) -> Result<(Event<'a>, Clock), String> {
    let [time, kind, product_id, category_id, category_code, brand, price, user_id, user_session] = split(text)?;
    let event_type = match &*kind {
        "view" => EventType::ProductView,
        "cart" => EventType::Cart,
        "remove_from_cart" => EventType::CartRemove,
        "purchase" => EventType::Order,
        _ => {
            let problem = "is none of view, cart, remove_from_cart, purchase";
            return Err(format!("event_type: {} {problem}", events::quoted(&kind)));
        }
    };
    let (occurred_at, clock) = times::parse(&time, timezone)
        .ok_or_else(|| format!("event_time: {} is not a time as YYYY-MM-DD HH:MM:SS UTC", events::quoted(&time)))?;
    if user_id.is_empty() {
        return Err("user_id: is empty".into());
    }
    let price = present(price).map(|price| events::parse_decimal(&price)).transpose();
    let mut common: Event<'a> = common.clone();
    if !category_id.is_empty() {
        common.attributes.insert("category_id".into(), Value::String(category_id.into_owned()));
    }
    let event = Event {
        event_id,
        event_type,
        occurred_at,
        user_id,
        product_id: present(product_id),
        category: present(category_code),
        brand: present(brand),
        price: price.map_err(|problem| format!("price: {problem}"))?,
        session_id: present(user_session),
        ..common
    };
    Ok((event, clock))
}
