//! What only few events have: brands, states, sessions.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{PgPool, Row};

use crate::app::{App, recount, recount_half, store};

/// Banners of a log without details, a shop's events with them, and a source of both, in turns of users.
async fn store_mixed(pool: &PgPool, sources: &[&str]) {
    sqlx::query(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source, product,
             site_version, brand, state, amount, currency)
         select gen_random_uuid(), timestamptz '2019-03-26 00:00Z' + random() * interval '5 days', n, 0, 'ecommerce',
             case when detailed then (array['product_view', 'cart', 'order', 'banner_show'])[1 + n % 4]
                 else (array['banner_show', 'banner_click', 'order'])[1 + n % 3] end,
             'u' || (random() * 60)::int, source, (array['clothes', null])[1 + n % 2], 'mobile',
             case when detailed then (array['acme', 'zenith', null])[1 + (random() * 2)::int] end,
             case when detailed then 'Ohio' end,
             case when detailed then (random() * 100)::numeric(10, 2) end, case when detailed then 'USD' end
         from (
             select n, source, source = 'shop' or source = 'both' and random() < 0.5 as detailed
             from generate_series(1, 2000) as n, lateral (select ($1::text[])[1 + n % cardinality($1)] as source) s
         ) e",
    )
    .bind(sources)
    .execute(pool)
    .await
    .unwrap();
}

/// Events, orders, revenue and users of each brand, by plain SQL.
async fn brands(pool: &PgPool, condition: &str) -> BTreeMap<Option<String>, Value> {
    let query = format!(
        "select brand, count(*) filter (where event_type = 'banner_show') as shows,
             count(*) filter (where event_type = 'order') as orders,
             sum(amount) filter (where event_type = 'order')::text as amount, count(distinct user_id) as users
         from events where {condition} group by brand"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(pool).await.unwrap();
    let figures = |row: sqlx::postgres::PgRow| {
        let amount = row.get::<Option<String>, _>("amount").map_or(json!({}), |amount| json!({ "USD": amount }));
        let (shows, orders, users) =
            (row.get::<i64, _>("shows"), row.get::<i64, _>("orders"), row.get::<i64, _>("users"));
        (row.get("brand"), json!([shows, orders, amount, users]))
    };
    rows.into_iter().map(figures).collect()
}

async fn served(app: &App, path: &str) -> BTreeMap<Option<String>, Value> {
    let answer = app.json(path).await;
    let figures = |row: &Value| {
        let value = row["value"].as_str().map(str::to_owned);
        (value, json!([row["banner_show"], row["order"], row["amount"], row["users"]]))
    };
    answer["rows"].as_array().unwrap().iter().map(figures).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_breakdown_by_what_few_events_have_is_right_for_these_and_for_the_rest(pool: PgPool) {
    store_mixed(&pool, &["banners", "shop"]).await;
    recount(&pool).await;
    let app = App::start(&pool);
    for (question, condition) in [
        ("", "true"),
        ("&from=2019-03-27&to=2019-03-29", "occurred_at >= '2019-03-27Z' and occurred_at < '2019-03-29Z'"),
        ("&from=2019-03-27T10:15:00Z", "occurred_at >= '2019-03-27 10:15Z'"),
        ("&from=2019-03-27T10:15:00.5Z", "occurred_at >= '2019-03-27 10:15:00.5Z'"),
        ("&source=banners", "source = 'banners'"),
        ("&source=shop&product=clothes", "source = 'shop' and product = 'clothes'"),
        ("&state=Ohio", "state = 'Ohio'"),
        ("&event_type=cart", "event_type = 'cart'"),
    ] {
        assert_eq!(
            served(&app, &format!("/api/breakdown?by=brand{question}")).await,
            brands(&pool, condition).await,
            "{question}"
        );
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_cell_of_events_with_and_without_details_is_counted_right(pool: PgPool) {
    store_mixed(&pool, &["banners", "shop", "both"]).await;
    recount(&pool).await;
    let app = App::start(&pool);
    assert_eq!(served(&app, "/api/breakdown?by=brand").await, brands(&pool, "true").await);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_not_folded_yet_is_counted_without_its_users(pool: PgPool) {
    store_mixed(&pool, &["banners", "shop"]).await;
    recount_half(&pool).await;
    let app = App::start(&pool);
    let right = brands(&pool, "true").await;
    let found = served(&app, "/api/breakdown?by=brand").await;
    for (brand, figures) in right {
        assert_eq!(found[&brand][0], figures[0], "shows of {brand:?}");
        assert_eq!(found[&brand][1], figures[1], "orders of {brand:?}");
        assert_eq!(found[&brand][2], figures[2], "revenue of {brand:?}");
        if brand.is_some() {
            assert_eq!(found[&brand][3], figures[3], "users of {brand:?} are counted from the rows");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn dimensions_of_details_are_those_that_the_database_knows(pool: PgPool) {
    let details: Vec<String> = sqlx::query_scalar("select unnest(detail_dimensions())").fetch_all(&pool).await.unwrap();
    let all: Vec<String> = sqlx::query_scalar("select unnest(dimensions())").fetch_all(&pool).await.unwrap();
    for dimension in all {
        let text = if dimension == "import_id" { "00000000-0000-4000-8000-000000000001" } else { "x" };
        if ["event_type", "site_version", "user_id", "source"].contains(&dimension.as_str()) {
            continue;
        }
        let mut event = json!({
            "occurred_at": "2019-01-01T10:00:00Z", "event_type": "banner_show", "user_id": "u", "source": dimension
        });
        event[&dimension] = json!(text);
        store(&pool, json!([event])).await;
        let detailed: bool = sqlx::query_scalar("select is_detailed(e) from events e where source = $1")
            .bind(&dimension)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(detailed, details.contains(&dimension), "{dimension}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_funnel_tells_how_many_came_to_each_stage_and_no_further(pool: PgPool) {
    let event = |user: &str, event_type: &str| json!({ "occurred_at": "2019-01-01T10:00:00Z", "user_id": user, "event_type": event_type, "product": "clothes" });
    store(
        &pool,
        json!([
            event("looks", "banner_show"),
            event("looks", "product_view"),
            event("clicks", "banner_show"),
            event("clicks", "banner_click"),
            event("buys", "banner_show"),
            event("buys", "banner_click"),
            event("buys", "order"),
            // who saw nothing may order all the same
            event("knows", "order"),
            event("other", "cart_remove"),
        ]),
    )
    .await;
    let app = App::start(&pool);
    let stages = |answer: Value| answer["rows"].clone();
    let rows = json!([
        { "stage": "view", "events": 4, "users": 3, "left": 1, "rate": null },
        { "stage": "click", "events": 2, "users": 2, "left": 1, "rate": 0.5 },
        { "stage": "cart", "events": 0, "users": 0, "left": 0, "rate": 0.0 },
        { "stage": "order", "events": 2, "users": 2, "left": 2, "rate": 1.0 },
    ]);
    assert_eq!(stages(app.json("/api/funnel").await), rows);
    let by_product = app.json("/api/funnel?by=product&limit=1").await;
    assert_eq!(
        by_product["rows"][1],
        json!({ "value": "clothes", "stage": "click", "events": 2, "users": 2, "left": 1, "rate": 0.5 })
    );
    assert_eq!(app.json("/api/funnel?by=brand").await["rows"], json!([]));
    app.stop().await;
}
