//! The event as a JSON Schema, for whoever publishes without this crate.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::decode::{Currency, Instant, MAX_TEXT_CHARS, Number, Text, Word};
use crate::event::{Event, EventType, SiteVersion, with_optional_fields};

/// The published schema, `events/schema/event.v1.json`: what [`schema`] gives, which a test sees to.
pub const SCHEMA: &str = include_str!("../schema/event.v1.json");

/// The schema of the events that this version reads, made from the fields of [`Event`] and what their
/// decoding checks.
///
/// A message that it takes decodes, but for what no schema can say: that a date is one, that a time is neither
/// before 2000 nor a day ahead of its publishing, that a decimal has no more than 28 digits, a message no more
/// than 1,000,000 bytes, and unknown fields no NUL character. Decoding is laxer in one place: it takes every
/// usual form of a UUID.
pub fn schema() -> Value {
    Event::schema()
}

/// An absent optional field and a null are the same.
fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// What a field looks like in the JSON.
trait Wire {
    fn schema() -> Value;
}

impl<'a> Wire for Event<'a> {
    fn schema() -> Value {
        let mut properties = Map::new();
        let mut required = |name: &str, mut schema: Value, description: &str| {
            schema["description"] = description.into();
            properties.insert(name.into(), schema);
        };
        required("event_id", Uuid::schema(), "Who it is: the first stored copy of an id wins.");
        required("event_type", Word::<EventType>::schema(), "What happened.");
        required("occurred_at", Instant::schema(), "When it happened, kept to the microsecond.");
        required("user_id", Text::schema(), "Whose doing it was; the key of the Kafka message.");
        required("source", Text::schema(), "Where it comes from: storefront, simulator, a data set's name.");
        let required: Vec<_> = properties.keys().cloned().collect();

        macro_rules! optional {
            ($($field:ident: $kind:ty as $wire:ty,)*) => {$(
                properties.insert(stringify!($field).into(), or_null(<$wire>::schema()));
            )*};
        }
        with_optional_fields!(optional);

        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "urn:shopwindow:event:v1",
            "title": "Shopwindow event, version 1",
            "description": "The value of a message on the topic: one thing that happened. An order's amount is the given \
                            one, else price × quantity (1 where there is none); the currency is USD where there is none. \
                            What is not named here is kept as it comes.",
            "type": "object",
            "required": required,
            "properties": properties,
            "additionalProperties": true,
        })
    }
}

impl Wire for Text<'_> {
    fn schema() -> Value {
        json!({ "type": "string", "maxLength": MAX_TEXT_CHARS, "pattern": "^[^\\u0000]*$" })
    }
}

impl Wire for Currency<'_> {
    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217." })
    }
}

impl Wire for Word<EventType> {
    fn schema() -> Value {
        words(EventType::ALL.iter().map(|word| word.as_str()))
    }
}

impl Wire for Word<SiteVersion> {
    fn schema() -> Value {
        words(SiteVersion::ALL.iter().map(|word| word.as_str()))
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Value {
    json!({ "enum": words.collect::<Vec<_>>() })
}

impl Wire for Instant {
    fn schema() -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

impl Wire for Uuid {
    fn schema() -> Value {
        json!({ "type": "string", "format": "uuid" })
    }
}

impl Wire for Number {
    fn schema() -> Value {
        json!({
            "description": "A decimal, as text or as a number that is taken by its digits.",
            "type": ["string", "number"],
            "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
        })
    }
}

impl Wire for i32 {
    fn schema() -> Value {
        json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
    }
}

impl Wire for f64 {
    fn schema() -> Value {
        json!({ "type": "number" })
    }
}
