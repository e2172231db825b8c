//! The three things that happen in the shop, as events.

use chrono::{DateTime, Utc};
use events::{Event, EventType, SiteVersion};
use uuid::{Uuid, uuid};

use crate::catalog::Product;
use crate::visit::{Visit, Visitor};

/// Namespace of the ids of clicks. Changing it makes reloads across the change count twice.
const CLICKS: Uuid = uuid!("8f1d5c3e-6b0a-4f57-9d0e-2c7a41b95e60");

fn event(event_type: EventType, visitor: Visitor, site_version: SiteVersion) -> Event<'static> {
    let mut event = Event::new(event_type, visitor.user_id(), "storefront");
    event.site_version = Some(site_version);
    event
}

/// The window showed a banner of `product` on the page view `page`.
pub(crate) fn shown(visit: &Visit, page: Uuid, product: &Product) -> Event<'static> {
    let mut event = event(EventType::BannerShow, visit.visitor, visit.site_version);
    event.page_id = Some(page.simple().to_string().into());
    event.product = Some(product.slug.into());
    event
}

/// The page of `product` was opened from the page view `page`. Its id follows from visitor, page view
/// and product: opened again, it is the same click.
pub(crate) fn clicked(visit: &Visit, page: Uuid, product: &Product) -> Event<'static> {
    let mut event = event(EventType::BannerClick, visit.visitor, visit.site_version);
    let name = [visit.visitor.id().as_bytes(), page.as_bytes(), product.slug.as_bytes()].concat();
    event.event_id = Uuid::new_v5(&CLICKS, &name);
    event.page_id = Some(page.simple().to_string().into());
    event.product = Some(product.slug.into());
    event
}

/// `product` was ordered with the token that carries `event_id`, which also names the order.
pub(crate) fn ordered(
    visitor: Visitor,
    site_version: SiteVersion,
    product: &Product,
    event_id: Uuid,
    occurred_at: DateTime<Utc>,
) -> Event<'static> {
    let mut event = event(EventType::Order, visitor, site_version);
    event.event_id = event_id;
    event.occurred_at = occurred_at;
    event.product = Some(product.slug.into());
    event.order_id = Some(event_id.simple().to_string().into());
    event.product_name = Some(product.full_name().into());
    event.price = Some(product.price());
    event.quantity = Some(1);
    event.amount = Some(product.price());
    event.currency = Some("USD".into());
    event
}
