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
        // an empty answer would pass any schema of rows
        assert_ne!(answer["rows"], json!([]), "{address}");
        if operation["parameters"].to_string().contains("parameters/from") {
            assert_problem(&app.get(&format!("{address}&nonsense=1")).await, 400, "nonsense");
        }
    }
    app.stop().await;
}
