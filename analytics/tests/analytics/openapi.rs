//! The description of what is served.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, assert_problem, store};
use crate::imports::store_an_import;

/// The address that an operation's examples make.
fn example(path: &str, operation: &Value, document: &Value) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = match parameter["$ref"].as_str() {
            Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
            None => parameter,
        };
        let name = parameter["name"].as_str().unwrap();
        match (&parameter["example"], parameter["in"].as_str().unwrap()) {
            (Value::String(text), "path") => path = path.replace(&format!("{{{name}}}"), text),
            // parameters of their own names
            (Value::Object(each), _) => query.extend(each.iter().flat_map(|(name, values)| {
                values.as_array().unwrap().iter().map(move |value| format!("{name}={}", value.as_str().unwrap()))
            })),
            (Value::String(text), _) => query.push(format!("{name}={text}")),
            (Value::Null, _) => assert_ne!(parameter["required"], true, "{name} of {path} has no example"),
            (other, _) => query.push(format!("{name}={other}")),
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

const CSV: &str = "text/csv; charset=utf-8";

/// Whether the answer is told as CSV too, as far as it does not change from one moment to the next.
async fn assert_same_rows(app: &App, address: &str, answer: &Value) {
    let request = app.client.get(format!("{}{address}", app.address)).header("Accept", "text/csv");
    let response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert_eq!((response.status().as_u16(), kind), (200, CSV), "{address}");
    let text = response.text().await.unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let columns = table.headers().unwrap().clone();
    let records: Vec<_> = table.records().map(|record| record.unwrap()).collect();
    let rows = answer["rows"].as_array().map_or(vec![answer], |rows| rows.iter().collect());
    assert_eq!(records.len(), rows.len(), "{address}: {text}");
    for (record, row) in records.iter().zip(rows) {
        for (name, value) in row.as_object().unwrap() {
            let cell = columns.iter().position(|column| column == name).map(|place| &record[place]);
            match value {
                Value::String(text) if address.starts_with("/api/daily") => assert_eq!(cell, Some(&**text)),
                Value::Number(number) if answer.get("rows").is_some() => {
                    assert_eq!(cell, Some(&*number.to_string()), "{name} of {address}: {text}");
                }
                Value::Null => assert_eq!(cell, Some(""), "{name} of {address}: {text}"),
                Value::Object(fields) => {
                    for name in fields.keys().map(|field| format!("{name}_{field}")) {
                        assert!(columns.iter().any(|column| column == name), "{name} of {address}: {text}");
                    }
                }
                _ => assert!(cell.is_some(), "{name} of {address}: {text}"),
            }
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_example_of_the_description_answers_as_described(pool: PgPool) {
    store(
        &pool,
        json!([
            { "event_id": "6f1c2a52-0000-4000-8000-000000000001", "occurred_at": "2019-01-01T10:00:00Z",
              "event_type": "banner_show", "product": "clothes", "user_id": "a" },
            { "occurred_at": "2019-01-01T10:05:00Z", "event_type": "banner_click", "product": "clothes", "user_id": "a" },
            { "occurred_at": "2019-01-02T10:00:00Z", "event_type": "order", "product": "sneakers", "user_id": "b",
              "amount": "12.50", "currency": "USD", "city": "Kent", "latitude": 41.15, "longitude": -81.36 },
            { "occurred_at": "2019-01-03T10:00:00Z", "event_type": "user_update", "user_id": "a", "region": "North" },
        ]),
    )
    .await;
    store_an_import(&pool).await;
    let app = App::start(&pool);
    let document = app.json("/openapi.json").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let operation = &methods["get"];
        let address = example(path, operation, &document);
        let mut response = app.client.get(format!("{}{address}", app.address)).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let described = &operation["responses"][status.as_str()];
        let kind = headers["content-type"].to_str().unwrap();
        let schema = described["content"].get(kind).unwrap_or_else(|| panic!("{address} answers {status} {kind}"));
        if kind == "text/event-stream" {
            assert!(response.chunk().await.unwrap().is_some(), "{address}");
            continue;
        }
        let text = response.text().await.unwrap();
        let Some(mut schema) = schema.get("schema").cloned() else { continue };
        schema["components"] = document["components"].clone();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let wrong: Vec<_> =
            jsonschema::validator_for(&schema).unwrap().iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{address} answers {answer}: {wrong:?}");
        if described["content"].get(CSV).is_some() {
            assert_same_rows(&app, &address, &answer).await;
        }
        // an empty answer would pass any schema of rows
        assert_ne!(answer["rows"], json!([]), "{address}");
        if operation["parameters"].to_string().contains("parameters/from") {
            assert_problem(&app.get(&format!("{address}&nonsense=1")).await, 400, "nonsense");
        }
    }
    app.stop().await;
}

/// The texts come from outside, the next page does not fit into the rows, and a problem is no table.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_table_has_no_formulas_and_tells_its_next_page(pool: PgPool) {
    let order = |user: &str, second: u32, amount: &str| {
        json!({ "occurred_at": format!("2019-01-01T10:00:0{second}Z"), "event_type": "order", "user_id": user,
                "amount": amount, "currency": "EUR" })
    };
    store(&pool, json!([order("=1+2", 0, "-1.50"), order("a \"b\", c", 1, "2.00"), order("-7", 2, "1.00")])).await;
    let app = App::start(&pool);
    let ask = async |address: &str, accept: &str| {
        let request = app.client.get(format!("{}{address}", app.address)).header("Accept", accept);
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (kind, link) = (header("content-type").unwrap(), header("link"));
        (kind, link, response.text().await.unwrap())
    };
    let (kind, link, text) = ask("/api/sales?by=user_id", "text/csv, application/json;q=0.5").await;
    assert_eq!((&*kind, link), (CSV, None));
    let lines: Vec<_> = text.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("value,orders,users,sold,failed,units,amount_EUR,"), "{text}");
    let begin = |line: &str| line.split(",1,1,").next().unwrap().to_owned();
    assert_eq!(lines[1..].iter().map(|line| begin(line)).collect::<Vec<_>>(), ["\"a \"\"b\"\", c\"", "-7", "'=1+2"]);
    assert!(lines[3].contains(",-1.50,"), "{text}");

    let windows = "/api/windows?kind=tumbling&size=1s&group_by=user_id";
    let mut told = Vec::new();
    let mut next = Some(format!("{windows}&limit=1"));
    while let Some(address) = next {
        let (_, link, text) = ask(&address, "text/csv").await;
        told.extend(text.lines().nth(1).map(|line| line.split(',').nth(2).unwrap().to_owned()));
        next = link.map(|link| link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned());
    }
    assert_eq!(told, ["'=1+2", "\"a \"\"b\"\"", "-7"]);

    let (kind, _, _) = ask("/api/daily?from=nonsense", "text/csv").await;
    assert_eq!(kind, "application/problem+json");
    let (kind, _, _) = ask("/api/daily?from=2019-01-01&to=2019-01-02", "*/*").await;
    assert_eq!(kind, "application/json");
    app.stop().await;
}
