//! The charts page.

use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, recount, set_shop_timezone, store};

/// What stands in the element that shows today's orders.
fn orders_today(html: &str) -> &str {
    let (_, rest) = html.split_once("data-figure=\"orders-today\"").expect("the element");
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split_once('<').unwrap().0.trim()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_page_shows_todays_orders(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T10:00:00Z", "event_type": "order" }])).await;
    let app = App::start(&pool);
    let response = app.get("/").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(orders_today(&response.text), "0");

    sqlx::query(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source)
         select gen_random_uuid(), now(), n, 0, 'ecommerce', (array['order', 'banner_show'])[1 + n % 2], 'u', 'test'
         from generate_series(1, 2469) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    recount(&pool).await;
    assert_eq!(orders_today(&app.get("/").await.text), "1234");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn today_is_a_day_of_the_shops_zone(pool: PgPool) {
    // one instant, always two dates: UTC+14 and UTC-11
    sqlx::query(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source)
         select gen_random_uuid(), date_trunc('day', now(), 'Pacific/Kiritimati'), 1, 0, 'ecommerce', 'order', 'u', 'test'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = App::start(&pool);
    set_shop_timezone(&pool, "Pacific/Kiritimati").await;
    assert_eq!(orders_today(&app.get("/").await.text), "1");
    sqlx::query("update events set occurred_at = occurred_at - interval '1 microsecond'").execute(&pool).await.unwrap();
    recount(&pool).await;
    assert_eq!(orders_today(&app.get("/").await.text), "0");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn without_events_the_page_says_how_to_make_some(pool: PgPool) {
    let app = App::start(&pool);
    let response = app.get("/").await;
    assert_eq!(response.status, 200);
    for hint in ["href=\"http://shop.test/\"", "shopwindow generate product-csv", "shopwindow replay product.csv"] {
        assert!(response.text.contains(hint), "{hint} is not in {}", response.text);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_section_of_the_address_is_named_before_any_script_runs(pool: PgPool) {
    let app = App::start(&pool);
    for (search, name, heading) in [
        ("", "Live", "What is happening in the shop now"),
        ("?product=a%20b&section=sales&section=data", "Sales", "What the shop sells"),
        ("?section=%3Cb%3E", "Live", "What is happening in the shop now"),
    ] {
        let page = app.get(&format!("/{search}")).await.text;
        assert!(page.contains(&format!("<title>{name} · Shopwindow</title>")), "{search}: {page}");
        assert!(page.contains(&format!("<h1 aria-live=\"polite\">{heading}</h1>")), "{search}: {page}");
        let chosen =
            format!("data-section=\"{}\" data-heading=\"{heading}\" aria-current=\"page\"", name.to_lowercase());
        assert_eq!(
            (page.matches(" aria-current=\"page\"").count(), page.contains(&chosen)),
            (1, true),
            "{search}: {page}"
        );
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_but_our_own_script_and_style_may_run(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T10:00:00Z", "event_type": "order" }])).await;
    let app = App::start(&pool);
    let response = app.get("/").await;
    let policy = response.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
    assert_eq!(response.headers["referrer-policy"], "same-origin");
    for inline in [" style=\"", " onclick=", "<style"] {
        assert!(!response.text.contains(inline), "{inline}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn script_and_style_may_be_kept_for_ever_under_the_address_that_the_page_names(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T10:00:00Z", "event_type": "order" }])).await;
    let app = App::start(&pool);
    let page = app.get("/").await.text;
    for (file, kind) in [("charts.js", "text/javascript; charset=utf-8"), ("charts.css", "text/css; charset=utf-8")] {
        let (before, _) = page.split_once(file).unwrap_or_else(|| panic!("{file} is not on the page"));
        let path = format!("{}{file}", &before[before.rfind('"').unwrap() + 1..]);
        let response = app.get(&path).await;
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.headers["content-type"], kind);
        assert_eq!(response.headers["cache-control"], "public, max-age=31536000, immutable");
        // a page from before an update
        let response = app.get(&format!("/static/0123456789abcdef/{file}")).await;
        assert_eq!((response.status, response.headers["cache-control"].to_str().unwrap()), (200, "no-cache"));
    }
    for encoding in ["br", "gzip"] {
        let request = app.client.get(format!("{}/api/totals", app.address)).header("accept-encoding", encoding);
        assert_eq!(request.send().await.unwrap().headers()["content-encoding"], encoding);
    }
    app.stop().await;
}
