//! The kept counts and the rows say the same, and one is taken where it can be.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, recount, recount_half, set_shop_timezone};

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
                    "funnel?",
                    "funnel?by=product&",
                ] {
                    let path = format!("/api/{figure}{range}{filter}");
                    // no kept count knows countries
                    let rows = app.json(&format!("{path}&country=XX")).await;
                    assert_eq!(without_sessions(app.json(&path).await), rows, "{path}, shop in {shops_zone}");
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 2 * 9 * 4 * 7);

    // users apart, whether events are folded makes no difference
    recount_half(&pool).await;
    for range in ranges {
        for figure in ["daily?", "totals?product=clothes&", "breakdown?by=product&"] {
            let path = format!("/api/{figure}{range}");
            let rows = app.json(&format!("{path}&country=XX")).await;
            assert_eq!(without_users(app.json(&path).await), without_users(rows), "{path}");
        }
    }
    app.stop().await;
}

/// Of picked events there are no kept sessions.
fn without_sessions(mut figures: Value) -> Value {
    if figures["sessions"].is_i64() {
        figures["sessions"] = Value::Null;
    }
    figures
}

fn without_users(mut figures: Value) -> Value {
    figures["pending"] = Value::Null;
    figures["users"] = Value::Null;
    for row in figures["rows"].as_array_mut().into_iter().flatten() {
        row["users"] = Value::Null;
    }
    figures
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn users_who_are_not_folded_yet_are_said_to_be_pending(pool: PgPool) {
    let all = "select count(distinct user_id) from events where event_type <> 'user_update'";
    store_random(&pool).await;
    let app = App::start(&pool);
    let totals = app.json("/api/totals").await;
    let users: i64 = sqlx::query_scalar(all).fetch_one(&pool).await.unwrap();
    assert_eq!((&totals["users"], &totals["pending"]), (&json!(users), &json!(false)));

    // a new user on a day of its own
    sqlx::query("update settings set kept_timezone = null").execute(&pool).await.unwrap();
    sqlx::query("update events set user_id = 'new', occurred_at = '2019-05-05 10:00Z' where event_id = (select min(event_id::text)::uuid from events where event_type = 'order')")
        .execute(&pool)
        .await
        .unwrap();
    recount_half(&pool).await;
    let pending = app.json("/api/totals").await["pending"].clone();
    let first: String = sqlx::query_scalar(
        "select to_char(min(first_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from event_deltas join cells using (cell_id) where event_type <> 'user_update'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(pending["from"], json!(first));
    assert_eq!(app.json("/api/totals?from=2018-01-01&to=2018-02-01&source=a").await["pending"], json!(false));
    let sessions = app.json("/api/totals?from=2026-01-01&to=2026-02-01").await;
    assert_eq!((&sessions["sessions"], &sessions["pending"]), (&json!(0), &json!(false)));
    // from the rows nothing lags
    let rows = app.json("/api/totals?country=XX").await;
    let users: i64 = sqlx::query_scalar(all).fetch_one(&pool).await.unwrap();
    assert_eq!((&rows["users"], &rows["pending"]), (&json!(users), &json!(false)));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_are_read_only_where_kept_counts_do_not_suffice(pool: PgPool) {
    store_random(&pool).await;
    recount_half(&pool).await;
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
    // what is folded and what is not, each is counted
    sqlx::query("truncate cell_days").execute(&pool).await.unwrap();
    let appended = orders("/api/totals").await;
    assert!((200..450).contains(&appended), "{appended}");
    assert_eq!(orders("/api/totals?from=2019-03-20&to=2019-04-20&tz=Asia/Kathmandu").await, appended);
    sqlx::query("truncate event_deltas").execute(&pool).await.unwrap();
    assert_eq!(orders("/api/totals").await, 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn where_nothing_is_kept_yet_the_rows_are_counted(pool: PgPool) {
    store_random(&pool).await;
    sqlx::query("update events set occurred_at = now() where event_id = (select min(event_id::text)::uuid from events where event_type = 'order')")
        .execute(&pool)
        .await
        .unwrap();
    recount(&pool).await;
    let app = App::start(&pool);
    let paths = ["/api/daily", "/api/totals", "/api/breakdown?by=source", "/api/daily?tz=Asia/Kathmandu"];
    let mut kept = Vec::new();
    for path in paths {
        kept.push(app.json(path).await);
    }
    let page = app.get("/").await.text;
    assert!(page.contains("data-figure=\"orders-today\""), "{page}");

    // as after the migration of a database that was filled before, until a consumer starts
    sqlx::query("update settings set kept_timezone = null").execute(&pool).await.unwrap();
    sqlx::query("truncate cell_days").execute(&pool).await.unwrap();
    for (path, kept) in paths.iter().zip(kept) {
        assert_eq!(app.json(path).await, without_sessions(kept), "{path}");
    }
    let orders = |page: &str| {
        let after = page.split_once("data-figure=\"orders-today\"").unwrap().1;
        after.split_once('<').unwrap().0.rsplit('>').next().unwrap().to_owned()
    };
    assert_eq!(orders(&app.get("/").await.text), orders(&page));
    assert_eq!(orders(&page), "1");
    app.stop().await;
}
