//! The format `product-csv`: the public data set of banner shows, banner clicks and orders.
//!
//! | column | event |
//! | --- | --- |
//! | `order_id` | `event_id`, bit for bit: despite its name it is the id of the row |
//! | `title` | `event_type` |
//! | `time` | `occurred_at`, taken in the time zone given |
//! | `user_id`, `page_id`, `product`, `site_version` | the same; an empty one of the last three is left out |
//! | `target` | none: it must be 1 exactly for orders |

use chrono_tz::Tz;
use events::{Event, EventType, SiteVersion};
use uuid::Uuid;

use crate::fields::{present, split};
use crate::times::{self, Clock};

/// What `--format` calls it.
pub(crate) const NAME: &str = "product-csv";

/// The `source` of its events.
pub(crate) const SOURCE: &str = "product.csv";

/// The columns, in their order.
pub(crate) const COLUMNS: [&str; 8] =
    ["order_id", "user_id", "page_id", "product", "site_version", "time", "title", "target"];

/// The event of a line; `company` becomes the shop's category `electronics` unless `keep_products`. The
/// error says why the line is no event.
pub(crate) fn read<'a>(
    text: &'a str,
    timezone: Tz,
    keep_products: bool,
    common: &Event<'static>,
) -> Result<(Event<'a>, Clock), String> {
    let [order_id, user_id, page_id, product, site_version, time, title, target] = split(text)?;
    let event_id = parse_id(&order_id)?;
    let event_type = match &*title {
        "banner_show" => EventType::BannerShow,
        "banner_click" => EventType::BannerClick,
        "order" => EventType::Order,
        _ => return Err(format!("title: {} is none of banner_show, banner_click, order", events::quoted(&title))),
    };
    let expected = if event_type == EventType::Order { "1" } else { "0" };
    if target != expected {
        return Err(format!("target: {} on a row of {title}, expected {expected}", events::quoted(&target)));
    }
    if user_id.is_empty() {
        return Err("user_id: is empty".into());
    }
    let site_version = match &*site_version {
        "" => None,
        word => Some(word.parse::<SiteVersion>().map_err(|problem| format!("site_version: {problem}"))?),
    };
    let product = match present(product) {
        Some(product) if product == "company" && !keep_products => Some("electronics".into()),
        product => product,
    };
    let (occurred_at, clock) = times::parse_local(&time, timezone)
        .ok_or_else(|| format!("time: {} is not a time as YYYY-MM-DD HH:MM:SS", events::quoted(&time)))?;
    let common: Event<'a> = common.clone();
    let page_id = present(page_id);
    Ok((Event { event_id, event_type, occurred_at, user_id, page_id, product, site_version, ..common }, clock))
}

/// The id of a line that may be no row, if there is one to be read.
pub(crate) fn readable_id(line: &[u8]) -> Option<Uuid> {
    let first = line.split(|&byte| byte == b',').next()?;
    parse_id(str::from_utf8(first).ok()?.trim_matches('"')).ok()
}

fn parse_id(text: &str) -> Result<Uuid, String> {
    // other ways to write a UUID are longer
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == 32 => Ok(id),
        _ => Err(format!("order_id: {} is not 32 hexadecimal digits", events::quoted(text))),
    }
}
