//! Whether the shop is alive, and whether it can sell.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::Shop;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(alive))
        .route("/healthz", web::head().to(alive))
        .route("/readyz", web::get().to(ready))
        .route("/readyz", web::head().to(ready));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({"status": "alive"}))
}

async fn ready(shop: web::Data<Shop>) -> HttpResponse {
    match shop.publisher.check().await {
        Ok(()) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({"status": "ready"})),
        Err(trouble) => HttpResponse::ServiceUnavailable().insert_header((CACHE_CONTROL, "no-store")).json(json!({
            "status": "not ready",
            "away": [{ "part": "kafka", "state": "trouble", "detail": trouble.detail, "remedy": trouble.remedy }],
        })),
    }
}
