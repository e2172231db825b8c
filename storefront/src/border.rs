//! What every answer passes on its way out: an error becomes a page, and the headers that keep a
//! page to itself are set.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError, web};
use serde::Serialize;

use crate::Shop;
use crate::error::PageError;
use crate::render::Page;

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    // no script, style, frame or form but our own; nothing inline
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // the referrer would carry page view ids to other sites; "no-referrer" would blank the Origin of our own form
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

pub(crate) async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let shop = request.app_data::<web::Data<Shop>>().cloned().expect("serve() sets it");
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if let Some(error) = answer.response().error() {
        let path = answer.request().path();
        let page = match error.as_error::<PageError>() {
            Some(error) => problem(&shop, error, path),
            None => problem(&shop, &PageError::of_status(answer.status()), path),
        };
        answer = answer.into_response(page);
    }
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    Ok(answer)
}

#[derive(Serialize)]
struct Problem {
    status: u16,
    heading: &'static str,
    text: String,
    again: Option<Again>,
}

/// The form that sends an unconfirmed order once more.
#[derive(Serialize)]
struct Again {
    product: &'static str,
    token: String,
}

fn problem(shop: &Shop, error: &PageError, path: &str) -> HttpResponse {
    if let PageError::Internal(cause) = error {
        tracing::error!(error = format!("{cause:#}"), path, "request failed");
    }
    let status = error.status_code();
    let again = match error {
        PageError::Unconfirmed { product, token } => Some(Again { product: product.slug, token: token.clone() }),
        _ => None,
    };
    let content = Problem { status: status.as_u16(), heading: error.heading(), text: error.to_string(), again };
    let mut response = match shop.renderer.page("problem.html", status, &Page::plain(content)) {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), path, "error page failed");
            HttpResponse::build(status).body(status.to_string())
        }
    };
    match error {
        PageError::MethodNotAllowed(allowed) => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        PageError::Unconfirmed { .. } => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        _ => {}
    }
    response
}
