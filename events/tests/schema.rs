//! What other programs build on: the published schema, and the messages that were ever published.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

use std::fs;
use std::path::{Path, PathBuf};

use events::{Event, SCHEMA};
use jsonschema::Validator;
use serde_json::{Value, json};

/// The messages of a published version, by name.
fn published(version: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published").join(version);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn message(name: &str) -> String {
    published("v1").into_iter().find(|(known, _)| known == name).unwrap().1
}

fn validator() -> Validator {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn the_published_schema_is_that_of_the_type() {
    let published: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(published == events::schema(), "events/schema/event.v1.json is stale: run `make schema`");
}

#[test]
fn every_published_message_still_decodes_and_keeps_to_the_schema() {
    let validator = validator();
    let messages = published("v1");
    assert_eq!(messages.len(), 7);
    for (name, text) in messages {
        let event = Event::decode(text.as_bytes(), None).unwrap_or_else(|why| panic!("{name}: {}", why.reason));
        // what we write ourselves is such a message too
        for json in [text.as_bytes(), &event.to_json()] {
            let json = serde_json::from_slice(json).unwrap();
            assert!(validator.validate(&json).is_ok(), "{name}: {:?}", validator.validate(&json));
        }
        assert_eq!(Event::decode(&event.to_json(), None).unwrap(), event, "{name}");
    }
}

#[test]
fn published_messages_mean_what_they_meant() {
    let [order, numbers, texts, unknown] =
        ["shop_order", "money_as_numbers", "money_as_text", "unknown_attributes"].map(message);
    let decode = |text: &'static str| Event::decode(text.as_bytes(), None).unwrap();
    let [order, numbers, texts, unknown] = [order, numbers, texts, unknown].map(|text| decode(text.leak()));
    assert_eq!(order.occurred_at.to_rfc3339(), "2026-03-29T01:00:00.123456+00:00");
    assert_eq!((order.amount, order.currency.as_deref()), ("59.97".parse().ok(), Some("EUR")));
    assert_eq!((numbers.price, numbers.amount), ("88.24".parse().ok(), "1234567890123456789.01".parse().ok()));
    assert_eq!((texts.amount, texts.revenue(), texts.currency.as_deref()), ("125".parse().ok(), None, Some("USD")));
    assert_eq!(unknown.brand, None);
    let campaign = json!({ "name": "spring", "ids": [1, 1_234_567_890_123_456_789_u64] });
    assert_eq!(Value::Object(unknown.attributes), json!({ "user_agent": "x", "campaign": campaign }));
}

#[test]
fn the_example_with_every_field_has_every_field_of_the_schema() {
    let example: Value = serde_json::from_str(&message("every_field")).unwrap();
    let mut names: Vec<_> = example.as_object().unwrap().keys().cloned().collect();
    let schema = events::schema();
    let mut properties: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    properties.sort();
    assert_eq!(names, properties);
}

#[test]
fn the_schema_refuses_what_decoding_refuses() {
    let validator = validator();
    let minimal: Value = serde_json::from_str(&message("minimal")).unwrap();
    let long = "x".repeat(1_001);
    for (field, value) in [
        ("event_id", json!("7")),
        ("event_type", json!("banner_shown")),
        ("event_type", Value::Null),
        ("occurred_at", json!("2019-01-11T09:24:43")),
        ("user_id", json!(17)),
        ("user_id", json!("u\0")),
        ("brand", json!(long)),
        ("site_version", json!("tv")),
        ("price", json!("12,50")),
        ("price", json!(true)),
        ("quantity", json!(1.5)),
        ("quantity", json!(3_000_000_000_u64)),
        ("currency", json!("usd")),
        ("latitude", json!("1.0")),
    ] {
        let mut message = minimal.clone();
        message[field] = value;
        assert!(!validator.is_valid(&message), "{message}");
        assert!(Event::decode(message.to_string().as_bytes(), None).is_err(), "{message}");
    }
    for field in ["event_id", "event_type", "occurred_at", "user_id", "source"] {
        let mut message = minimal.clone();
        message.as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&message), "{message}");
    }
}
