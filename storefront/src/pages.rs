//! The pages of the shop and the order.

use std::time::Duration;

use actix_web::cookie::time;
use actix_web::dev::UrlEncoded;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, LOCATION, ORIGIN};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{SubsecRound, Utc};
use events::Event;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::Shop;
use crate::catalog::{self, Banner, Product};
use crate::error::PageError;
use crate::happening;
use crate::render::Page;
use crate::signer::{Receipt, read_id};
use crate::strip::{Outcome, StripView};
use crate::visit::Visit;

/// An order's form has two short fields.
const LONGEST_FORM: usize = 4_096;

/// How long the form may take to arrive.
const SLOWEST_FORM: Duration = Duration::from_secs(5);

const RECEIPT: &str = "receipt";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(page("/", web::get().to(home), web::head().to(home)))
        .service(page("/product/{slug}", web::get().to(product), web::head().to(product)))
        .service(page("/order/{order_id}", web::get().to(ordered), web::head().to(ordered)))
        .service(web::resource("/order").post(order).default_service(web::to(order_is_posted)));
}

fn page(path: &str, get: actix_web::Route, head: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(get).route(head).default_service(web::to(page_is_got))
}

pub(crate) async fn nowhere() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}

pub(crate) async fn page_is_got() -> Result<HttpResponse, PageError> {
    Err(PageError::MethodNotAllowed("GET, HEAD"))
}

async fn order_is_posted() -> Result<HttpResponse, PageError> {
    Err(PageError::MethodNotAllowed("POST"))
}

#[derive(Serialize)]
struct Home {
    product: &'static Product,
    banner: &'static Banner,
}

async fn home(shop: web::Data<Shop>, visit: Visit) -> Result<HttpResponse, PageError> {
    let page = Uuid::new_v4();
    let (product, banner) = catalog::in_the_window(page);
    let strip = happen(&shop, &visit, product, happening::shown(&visit, page, product)).await?;
    let content = Page::plain(Home { product, banner }).from(page).with_strip(strip);
    send(&shop, &visit, "home.html", &content)
}

#[derive(Serialize)]
struct ProductPage {
    product: &'static Product,
    token: String,
}

#[derive(Deserialize)]
struct From {
    page: Option<String>,
}

async fn product(
    shop: web::Data<Shop>,
    visit: Visit,
    slug: web::Path<String>,
    from: web::Query<From>,
) -> Result<HttpResponse, PageError> {
    let product = Product::find(&slug).ok_or(PageError::NotFound)?;
    let page = from.page.as_deref().and_then(read_id).unwrap_or_else(Uuid::new_v4);
    let strip = happen(&shop, &visit, product, happening::clicked(&visit, page, product)).await?;
    let token = shop.signer.order_token(Uuid::now_v7(), visit.visitor, product);
    let content = Page::plain(ProductPage { product, token }).from(page).about(product.slug).with_strip(strip);
    send(&shop, &visit, "product.html", &content)
}

#[derive(Deserialize)]
struct OrderForm {
    product: String,
    token: String,
}

async fn order(
    shop: web::Data<Shop>,
    request: HttpRequest,
    visit: Visit,
    body: web::Payload,
) -> Result<HttpResponse, PageError> {
    if !is_same_origin(request.headers()) {
        return Err(PageError::CrossSite);
    }
    let form = UrlEncoded::<OrderForm>::new(&request, &mut body.into_inner()).limit(LONGEST_FORM);
    let form = timeout(SLOWEST_FORM, form).await.map_err(|_| PageError::TooSlow)??;
    let product = Product::find(&form.product).ok_or(PageError::Unreadable)?;
    let event_id = shop.signer.read_order_token(&form.token, visit.visitor, product).ok_or(PageError::NotYours)?;
    if visit.silence.is_some() {
        return Err(PageError::Robot);
    }
    let occurred_at = Utc::now().trunc_subsecs(6);
    let event = happening::ordered(visit.visitor, visit.site_version, product, event_id, occurred_at);
    let Some(place) = shop.publisher.order(&event).await else {
        return Err(PageError::Unconfirmed { product, token: form.token });
    };
    let receipt = Receipt { event_id, product, occurred_at, site_version: visit.site_version, place };
    let path = format!("/order/{}", event_id.simple());
    let proof = shop.signer.receipt(&receipt, visit.visitor);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, path.as_str()))
        .cookie(visit.cookie())
        .cookie(visit.private_cookie(RECEIPT, proof, path, time::Duration::days(30)))
        .finish())
}

#[derive(Serialize)]
struct Ordered {
    product: &'static Product,
    order_id: String,
}

async fn ordered(
    shop: web::Data<Shop>,
    request: HttpRequest,
    visit: Visit,
    order_id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let event_id = read_id(&order_id).ok_or(PageError::NotFound)?;
    let proof = request.cookie(RECEIPT).ok_or(PageError::NotFound)?;
    let receipt = shop.signer.read_receipt(proof.value(), event_id, visit.visitor).ok_or(PageError::NotFound)?;
    let Receipt { product, occurred_at, site_version, place, .. } = receipt;
    let event = happening::ordered(visit.visitor, site_version, product, event_id, occurred_at);
    let strip = strip(&shop, &visit, product, &Outcome::Published(&event, Some(place)))?;
    let content = Page::plain(Ordered { product, order_id: order_id.into_inner() }).with_strip(strip);
    send(&shop, &visit, "ordered.html", &content)
}

/// Publishes the event of a page, unless nobody sees the page, and says so in the strip.
async fn happen(
    shop: &Shop,
    visit: &Visit,
    product: &Product,
    event: Event<'static>,
) -> Result<Option<StripView>, PageError> {
    let outcome = match visit.silence {
        Some(silence) => Outcome::Silent(silence),
        None => Outcome::Published(&event, shop.publisher.page(&event).await),
    };
    strip(shop, visit, product, &outcome)
}

fn strip(shop: &Shop, visit: &Visit, product: &Product, outcome: &Outcome<'_>) -> Result<Option<StripView>, PageError> {
    Ok(shop.strip.as_ref().map(|strip| strip.view(visit, product, outcome)).transpose()?)
}

fn send<T: Serialize>(shop: &Shop, visit: &Visit, template: &str, page: &Page<T>) -> Result<HttpResponse, PageError> {
    let mut response = shop.renderer.page(template, StatusCode::OK, page)?;
    response.add_cookie(&visit.cookie()).map_err(anyhow::Error::from)?;
    Ok(response)
}

/// Whether a form comes from our own page, as far as the browser says. From one that says nothing, the
/// token still has to be ours.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        // "none": typed, or sent again after a restart of the browser
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        // the host alone, for behind a proxy the scheme is another
        (None, Some(origin)) => {
            text(HOST.as_str()).is_some_and(|host| origin.split_once("://").is_some_and(|(_, own)| own == host))
        }
        (None, None) => true,
    }
}
