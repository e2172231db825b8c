//! The kept counts and the rows say the same, and one is taken where it can be.

use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, recount, set_shop_timezone};

/// Three thousand events of ten days, all in country XX, with whatever values come.
async fn store_random(pool: &PgPool) {
    sqlx::query(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source, product,
             site_version, brand, status, amount, currency, country)
         select gen_random_uuid(), timestamptz '2019-03-26 00:00Z' + random() * interval '10 days', n, 0, 'ecommerce',
             (array['banner_show', 'banner_click', 'page_view', 'product_view', 'cart', 'cart_remove', 'order', 'order', 'user_update'])[1 + n % 9],
             'u' || n % 40, (array['a', 'b'])[1 + (random() * 1)::int], (array['clothes', 'sneakers', null])[1 + (random() * 2)::int],
             (array['desktop', 'mobile', 'tablet', null])[1 + (random() * 3)::int], (array['acme', null])[1 + (random() * 1)::int],
             (array['completed', 'fraud', null])[1 + (random() * 2)::int],
             case when random() < 0.8 then (random() * 100)::numeric(10, 2) end,
             (array['USD', 'EUR'])[1 + (random() * 1)::int], 'XX'
         from generate_series(1, 3000) as n",
    )
    .execute(pool)
    .await
    .unwrap();
    recount(pool).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn kept_counts_and_rows_give_the_same_answers(pool: PgPool) {
    store_random(&pool).await;
    let app = App::start(&pool);
    let ranges = [
        "tz=UTC",
        "tz=UTC&from=2019-03-28&to=2019-04-02",
        "tz=UTC&from=2019-03-28T00:00:00Z&to=2019-04-02T00:00:00Z",
        "tz=UTC&from=2019-03-28T10:15:00Z",
        "tz=UTC&to=2019-03-28T10:15:00%2B05:45",
        "tz=Europe/Berlin",
        "tz=Europe/Berlin&from=2019-03-30&to=2019-04-01",
        "tz=Asia/Kathmandu&from=2019-03-30",
        "tz=Asia/Kathmandu&from=2019-03-30T12:00:00Z&to=2019-04-01",
    ];
    let filters = ["", "&product=clothes", "&site_version=mobile&site_version=tablet&source=a", "&event_type=order"];
    let mut asked = 0;
    for shops_zone in ["UTC", "Europe/Berlin"] {
        set_shop_timezone(&pool, shops_zone).await;
        for range in ranges {
            for filter in filters {
                for figure in [
                    "daily?",
                    "totals?",
                    "breakdown?by=product&",
                    "breakdown?by=event_type&",
                    "breakdown?by=site_version&",
                ] {
                    let path = format!("/api/{figure}{range}{filter}");
                    // no kept count knows countries
                    let rows = app.json(&format!("{path}&country=XX")).await;
                    assert_eq!(app.json(&path).await, rows, "{path}, shop in {shops_zone}");
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 2 * 9 * 4 * 5);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_are_read_only_where_kept_counts_do_not_suffice(pool: PgPool) {
    store_random(&pool).await;
    sqlx::query("truncate events").execute(&pool).await.unwrap();
    let app = App::start(&pool);
    let orders = async |path: &str| {
        let totals = app.json(path).await;
        totals["events"]["order"].as_i64().unwrap()
    };
    for kept in [
        "/api/totals",
        "/api/totals?tz=Asia/Kathmandu",
        "/api/totals?from=2019-03-20&to=2019-04-20",
        "/api/totals?from=2019-03-20&to=2019-04-20&tz=Asia/Kathmandu",
        "/api/totals?from=2019-03-20T10:15:00Z&source=a&source=b",
    ] {
        assert_eq!(orders(kept).await, 666, "{kept}");
    }
    for rows in ["/api/totals?country=XX", "/api/totals?from=2019-03-20T10:15:00.000001Z"] {
        assert_eq!(orders(rows).await, 0, "{rows}");
    }
    // the days come from quarters, and quarters from the day that holds them, each where it should
    sqlx::query("truncate day_counts").execute(&pool).await.unwrap();
    sqlx::query("truncate count_deltas").execute(&pool).await.unwrap();
    assert_eq!(orders("/api/totals?from=2019-03-20&to=2019-04-20").await, 0);
    assert!(orders("/api/totals?from=2019-03-20&to=2019-04-20&tz=Asia/Kathmandu").await > 0);
    let daily = app.json("/api/daily?from=2019-03-20T00:00:00Z&to=2019-03-21T00:00:00Z").await;
    assert_eq!(daily["rows"][0]["day"], json!("2019-03-20"));
    app.stop().await;
}
