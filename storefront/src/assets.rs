//! Pictures, styles and the script: inside the binary, under addresses that change with them.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::error::PageError;
use crate::pages::page_is_got;

#[derive(RustEmbed)]
#[folder = "../static/shop/"]
struct Files;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/static/shop/{file}").get(serve).head(serve).default_service(web::to(page_is_got)));
}

/// The address of a file, with the hash of what it holds: `/static/shop/shop.css?v=0123456789abcdef`.
pub(crate) fn url(file: &str) -> Option<String> {
    let hash = hash(&Files::get(file)?);
    Some(format!("/static/shop/{file}?v={hash}"))
}

fn hash(file: &rust_embed::EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize)]
struct Version {
    v: Option<String>,
}

async fn serve(
    request: HttpRequest,
    name: web::Path<String>,
    version: web::Query<Version>,
) -> Result<HttpResponse, PageError> {
    let file = Files::get(&name).ok_or(PageError::NotFound)?;
    let content_type = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let hash = hash(&file);
    // weak: the compressed and the plain answer carry the same tag
    let tag = header::EntityTag::new_weak(hash.clone());
    // an address with another hash, or none, may mean something else tomorrow
    let cache =
        if version.v.as_deref() == Some(&hash) { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag.to_string()));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, cache)).insert_header(header::ETag(tag));
    if known {
        return Ok(response.finish());
    }
    Ok(response.content_type(content_type).body(file.data))
}
