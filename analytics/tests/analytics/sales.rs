//! What sells: orders by a dimension, and the places that they are from.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, assert_problem, recount, store};

/// Orders of two currencies, two of which failed, one without a price; and what is no order.
async fn store_orders(pool: &PgPool) {
    let event = |user: &str, more: Value| {
        let mut event = json!({ "occurred_at": "2019-01-01T10:00:00Z", "user_id": user, "event_type": "order" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let kent = json!({ "brand": "acme", "state": "Ohio", "city": "Kent", "country": "USA", "currency": "USD",
                       "latitude": 41.15, "longitude": -81.36 });
    let from_kent = |user: &str, more: Value| {
        let mut all = kent.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event(user, all)
    };
    store(
        pool,
        json!([
            from_kent("ann", json!({ "price": "5.00", "quantity": 2, "amount": "10.00", "status": "COMPLETED" })),
            from_kent("ann", json!({ "price": "20.50", "amount": "20.50", "latitude": 41.149 })),
            from_kent("bob", json!({ "price": "99", "quantity": 1, "amount": "99", "status": "FRAUD" })),
            event("bob", json!({ "brand": "acme", "price": "7", "amount": "7", "currency": "EUR", "city": "Kent" })),
            event(
                "cid",
                json!({ "brand": "zenith", "price": "40", "quantity": 3, "amount": "120", "currency": "EUR" })
            ),
            event("cid", json!({ "brand": "zenith", "status": "failed_checkout", "amount": "8", "currency": "EUR" })),
            // a log of banners has orders without anything
            event("dee", json!({})),
            event("dee", json!({})),
            event("ann", json!({ "event_type": "product_view", "brand": "acme", "price": "5", "currency": "USD" })),
            event("eve", json!({ "event_type": "banner_show" })),
        ]),
    )
    .await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sales_tell_what_orders_brought_in_and_what_became_of_them(pool: PgPool) {
    store_orders(&pool).await;
    let app = App::start(&pool);
    let zenith = json!({
        "value": "zenith", "orders": 2, "users": 1, "sold": 1, "failed": 1, "units": 3, "amount": { "EUR": "120" },
        "lost": { "EUR": "8" }, "average_order": { "EUR": "120.00" }, "average_price": { "EUR": "40.00" }
    });
    let acme = json!({
        "value": "acme", "orders": 4, "users": 2, "sold": 3, "failed": 1, "units": 2,
        "amount": { "USD": "30.50", "EUR": "7" }, "lost": { "USD": "99" },
        "average_order": { "USD": "15.25", "EUR": "7.00" }, "average_price": { "USD": "12.75", "EUR": "7.00" }
    });
    let none = json!({
        "value": null, "orders": 2, "users": 1, "sold": 0, "failed": 0, "units": null, "amount": {}, "lost": {},
        "average_order": {}, "average_price": {}
    });
    // in euros first, of which there are most
    assert_eq!(app.json("/api/sales?by=brand").await["rows"], json!([zenith, acme, none]));
    assert_eq!(app.json("/api/sales?by=brand&limit=1").await["rows"], json!([zenith]));
    assert_eq!(app.json("/api/sales?by=brand&brand=acme").await["rows"], json!([acme]));
    assert_eq!(
        app.json("/api/sales").await["rows"],
        json!([{
            "value": null, "orders": 8, "users": 4, "sold": 4, "failed": 2, "units": 5,
            "amount": { "USD": "30.50", "EUR": "127" }, "lost": { "USD": "99", "EUR": "8" },
            "average_order": { "USD": "15.25", "EUR": "63.50" }, "average_price": { "USD": "12.75", "EUR": "23.50" }
        }])
    );
    // customers are the same whether all orders have details or not
    let ann = json!(["ann", 2, 1, { "USD": "30.50" }]);
    for question in ["", "&state=Ohio"] {
        let rows = app.json(&format!("/api/sales?by=user_id{question}")).await["rows"].take();
        let rows = rows.as_array().unwrap().iter();
        let mut found = rows.map(|row| json!([row["value"], row["orders"], row["users"], row["amount"]]));
        assert!(found.any(|row| row == ann), "{question}");
    }
    // orders are asked for, or nothing is
    assert_eq!(app.json("/api/sales?event_type=order&event_type=cart").await["rows"][0]["orders"], 8);
    assert_eq!(app.json("/api/sales?event_type=banner_show").await["rows"], json!([]));
    // the index that customers are counted from holds no types
    assert_eq!(app.json("/api/sales?by=user_id&event_type=banner_show").await["rows"], json!([]));
    assert_eq!(app.json("/api/sales?from=2019-01-02").await["rows"], json!([]));
    assert_problem(&app.get("/api/sales?by=price").await, 400, "\"price\"");
    assert_problem(&app.get("/api/sales?limit=0").await, 400, "\"0\"");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sales_of_a_range_are_those_of_its_days_even_where_a_date_comes_twice(pool: PgPool) {
    // at one minute past midnight clocks went back to the day before
    let order = |time: &str| json!({ "occurred_at": time, "event_type": "order", "amount": "1", "currency": "USD", "city": "x" });
    store(
        &pool,
        json!([
            order("2010-11-07T02:25:00Z"),
            order("2010-11-07T02:30:30Z"),
            order("2010-11-07T02:45:00Z"),
            order("2010-11-07T04:00:00Z")
        ]),
    )
    .await;
    let app = App::start(&pool);
    for (range, orders) in
        [("from=2010-11-06&to=2010-11-07", 2), ("from=2010-11-07&to=2010-11-08", 2), ("from=2010-11-06", 4)]
    {
        let question = format!("{range}&tz=America/St_Johns");
        let sales = app.json(&format!("/api/sales?{question}")).await;
        assert_eq!(sales["rows"][0]["orders"], orders, "{question}");
        assert_eq!(sales["rows"][0]["sold"], orders, "{question}");
        let places = app.json(&format!("/api/places?{question}")).await;
        assert_eq!(places["rows"][0]["orders"], orders, "{question}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn places_are_cities_at_a_tenth_of_a_degree(pool: PgPool) {
    store_orders(&pool).await;
    let app = App::start(&pool);
    let kent = json!({
        "city": "Kent", "state": "Ohio", "country": "USA", "latitude": 41.2, "longitude": -81.4, "orders": 2,
        "amount": { "USD": "10.00" }
    });
    let rows = app.json("/api/places").await["rows"].take();
    assert_eq!(rows[0], kent);
    assert_eq!(rows[1]["latitude"], 41.1);
    assert_eq!((&rows[2]["latitude"], &rows[2]["amount"]), (&Value::Null, &json!({ "EUR": "7" })));
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(app.json("/api/places?limit=1").await["rows"], json!([kent]));
    assert_eq!(app.json("/api/places?event_type=banner_show").await["rows"], json!([]));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_plain_queries_of_sales_and_places_count_the_same(pool: PgPool) {
    store_orders(&pool).await;
    recount(&pool).await;
    let app = App::start(&pool);
    for question in ["", "brand=acme", "from=2019-01-01&to=2019-01-02&tz=Europe/Berlin"] {
        for (figure, parameters) in
            [("sales", ""), ("sales", "by=brand"), ("sales", "by=status"), ("sales", "by=user_id"), ("places", "")]
        {
            let path = |root: &str, run: &str| format!("/api/{root}{figure}{run}?{parameters}&{question}");
            let served = app.json(&path("", "")).await["rows"].take();
            let recount = app.json(&path("sql/", "/run")).await;
            let columns = recount["columns"].as_array().unwrap();
            let rows: Vec<Value> = recount["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| {
                    let cells = columns.iter().zip(row.as_array().unwrap());
                    cells.map(|(name, cell)| (name.as_str().unwrap().to_owned(), parsed(cell))).collect()
                })
                .collect();
            assert_eq!(served, json!(rows), "{figure}?{parameters}&{question}");
        }
    }
    app.stop().await;
}

/// A cell as psql writes it, as the JSON that it is.
fn parsed(cell: &Value) -> Value {
    cell.as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}
