//! From the bytes of a message to an event, or to the reason why not.
//!
//! Whether a message is valid depends on its bytes and its Kafka timestamp only, never on a clock
//! or a database, so that a rebuild from the log gives the same rows.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::{DateTime, Days, SubsecRound, Utc};
use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event::{Event, EventType, SiteVersion, with_optional_fields};

/// The longest message that is an event, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_000_000;

/// The longest value of a known text field, in characters (Unicode scalar values).
pub const MAX_TEXT_CHARS: usize = 1_000;

/// No event happened before this moment.
const EARLIEST: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).expect("2000-01-01 is a date");

/// Why a message is not an event, with what could be read of it all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// What is wrong, for a person: names the field and quotes the value where there is one.
    pub reason: String,
    /// The message's `event_id`, where it has a usable one.
    pub event_id: Option<Uuid>,
    /// The message's `source`, where it has a usable one.
    pub source: Option<String>,
    /// The message's `import_id`, where it has a usable one.
    pub import_id: Option<Uuid>,
}

impl Rejection {
    /// A rejection of `payload`, whose id, source and import are read as far as they can be.
    pub fn new(reason: impl Into<String>, payload: &[u8]) -> Self {
        let message: Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = |field: &str| message.get(field).and_then(Value::as_str);
        Self {
            reason: reason.into(),
            event_id: text("event_id").and_then(|id| id.parse().ok()),
            source: text("source").filter(|source| check_text(source).is_ok()).map(str::to_owned),
            import_id: text("import_id").and_then(|id| id.parse().ok()),
        }
    }
}

impl<'a> Event<'a> {
    /// Reads and checks the value of a Kafka message that was published at `published_at`
    /// (`None` when the record has no timestamp: then no event is too far in the future).
    ///
    /// Two things are filled in, so that every reader sees the same: an order's missing `amount`
    /// (`price` × `quantity`, default 1) and the default currency `USD` where there is a price or
    /// an amount.
    pub fn decode(payload: &'a [u8], published_at: Option<DateTime<Utc>>) -> Result<Self, Rejection> {
        read(payload, published_at).map_err(|reason| Rejection::new(reason, payload))
    }
}

fn read(payload: &[u8], published_at: Option<DateTime<Utc>>) -> Result<Event<'_>, String> {
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(format!("message of {} bytes is over the limit of {MAX_MESSAGE_BYTES}", payload.len()));
    }
    let text = str::from_utf8(payload).map_err(|error| format!("not UTF-8: {error}"))?;
    let mut event: Event<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => error.to_string(),
        _ => format!("not JSON: {error}"),
    })?;
    if event.occurred_at < EARLIEST {
        return Err(format!("occurred_at: {} is before 2000-01-01", event.occurred_at));
    }
    if let Some(published_at) = published_at
        && published_at.checked_add_days(Days::new(1)).is_some_and(|latest| event.occurred_at > latest)
    {
        return Err(format!(
            "occurred_at: {} is more than a day after the message was published ({published_at})",
            event.occurred_at
        ));
    }
    if event.event_type == EventType::Order
        && event.amount.is_none()
        && let Some(price) = event.price
    {
        let quantity = Decimal::from(event.quantity.unwrap_or(1));
        let amount = price.checked_mul(quantity);
        // a product that was rounded has lost digits; of a zero the scale is not kept
        let amount = amount.filter(|amount| amount.is_zero() || amount.scale() == price.scale());
        event.amount = Some(amount.ok_or_else(|| format!("amount: {price} × {quantity} has more than 28 digits"))?);
    }
    if event.currency.is_none() && (event.price.is_some() || event.amount.is_some()) {
        event.currency = Some("USD".into());
    }
    Ok(event)
}

impl<'de> Deserialize<'de> for Event<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

macro_rules! visit {
    ($($field:ident: $kind:ty as $wire:ty,)*) => {
        impl<'a> Visitor<'a> for EventVisitor {
            type Value = Event<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Event<'a>, M::Error> {
                let mut event_id: Option<Uuid> = None;
                let mut event_type: Option<Word<EventType>> = None;
                let mut occurred_at: Option<Instant> = None;
                let mut user_id: Option<Text<'a>> = None;
                let mut source: Option<Text<'a>> = None;
                $(let mut $field: Option<$wire> = None;)*
                let mut attributes = Map::new();
                while let Some(key) = map.next_key::<Key<'a>>()? {
                    match &*key.0 {
                        "event_id" => field(&mut map, "event_id", &mut event_id)?,
                        "event_type" => field(&mut map, "event_type", &mut event_type)?,
                        "occurred_at" => field(&mut map, "occurred_at", &mut occurred_at)?,
                        "user_id" => field(&mut map, "user_id", &mut user_id)?,
                        "source" => field(&mut map, "source", &mut source)?,
                        $(stringify!($field) => field(&mut map, stringify!($field), &mut $field)?,)*
                        other => {
                            let value = map.next_value::<Value>().map_err(|error| in_field(other, error))?;
                            if has_nul(&value) || other.contains('\0') {
                                return Err(in_field(&other.replace('\0', "\\0"), "holds a NUL character"));
                            }
                            attributes.insert(key.0.into_owned(), value);
                        }
                    }
                }
                Ok(Event {
                    event_id: event_id.ok_or_else(|| missing("event_id"))?,
                    event_type: event_type.ok_or_else(|| missing("event_type"))?.0,
                    occurred_at: occurred_at.ok_or_else(|| missing("occurred_at"))?.0,
                    user_id: user_id.ok_or_else(|| missing("user_id"))?.into(),
                    source: source.ok_or_else(|| missing("source"))?.into(),
                    $($field: $field.map(Into::into),)*
                    attributes,
                })
            }
        }
    };
}
with_optional_fields!(visit);

/// Reads one known field; a null is as good as none, a field that comes twice has no one value.
fn field<'a, M: MapAccess<'a>, T: Deserialize<'a>>(
    map: &mut M,
    name: &str,
    slot: &mut Option<T>,
) -> Result<(), M::Error> {
    if slot.is_some() {
        return Err(in_field(name, "comes twice"));
    }
    *slot = map.next_value::<Option<T>>().map_err(|error| in_field(name, error))?;
    Ok(())
}

fn in_field<E: de::Error>(name: &str, problem: impl fmt::Display) -> E {
    E::custom(format_args!("{name}: {problem}"))
}

fn missing<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("{name}: missing or null"))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_text(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("holds a NUL character".into());
    }
    // counting is for the few that could be too long
    if text.len() > MAX_TEXT_CHARS && text.chars().count() > MAX_TEXT_CHARS {
        return Err(format!("has {} characters, over the limit of {MAX_TEXT_CHARS}", text.chars().count()));
    }
    Ok(())
}

/// Borrows from the message unless the text holds escapes.
struct CowVisitor;

impl<'de> Visitor<'de> for CowVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CowVisitor).map(Self)
    }
}

/// A known text field.
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(CowVisitor)?;
        check_text(&text).map_err(de::Error::custom)?;
        Ok(Self(text))
    }
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        text.0
    }
}

/// An ISO 4217 code.
pub(crate) struct Currency<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Currency<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = deserializer.deserialize_str(CowVisitor)?;
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(code))
        } else {
            Err(de::Error::custom(format_args!("{} is not an ISO 4217 code such as USD", quoted(&code))))
        }
    }
}

impl<'a> From<Currency<'a>> for Cow<'a, str> {
    fn from(code: Currency<'a>) -> Self {
        code.0
    }
}

/// One of an enum's words.
pub(crate) struct Word<T>(T);

struct WordVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
        word.parse().map(Word).map_err(E::custom)
    }
}

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

impl From<Word<Self>> for SiteVersion {
    fn from(word: Word<Self>) -> Self {
        word.0
    }
}

/// RFC 3339 with an offset, cut to the microsecond that PostgreSQL keeps.
pub(crate) struct Instant(DateTime<Utc>);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(CowVisitor)?;
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Ok(Self(time.to_utc().trunc_subsecs(6))),
            Err(error) => Err(de::Error::custom(format_args!(
                "{} is not RFC 3339 with an offset, such as 2026-01-31T09:30:00+01:00 ({error})",
                quoted(&text)
            ))),
        }
    }
}

/// A decimal: a JSON string, or a JSON number taken by its digits.
pub(crate) struct Number(Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Cow<'_, str>>(raw).map_err(de::Error::custom)?,
            _ => Cow::Borrowed(raw),
        };
        parse_decimal(&text).map(Self).map_err(de::Error::custom)
    }
}

impl From<Number> for Decimal {
    fn from(number: Number) -> Self {
        number.0
    }
}

/// Reads a decimal as messages may hold it: nothing but its digits decides. The error quotes the text.
pub fn parse_decimal(text: &str) -> Result<Decimal, String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let exponent_is_fine =
        exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    if !(digits(whole) && digits(fraction) && exponent_is_fine) {
        return Err(format!("{} is not a decimal", quoted(text)));
    }
    let parsed = match exponent {
        Some(_) => Decimal::from_scientific(text),
        None => Decimal::from_str_exact(text),
    };
    parsed.map_err(|_| format!("{} is out of the range of a decimal of 28 digits", quoted(text)))
}

/// A value as it is quoted in the reason of a rejection: the beginning of a long one.
pub fn quoted(value: &str) -> String {
    const SHOWN: usize = 80;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"event_id":"cfcd2084-95d5-65ef-66e7-dff9f98764da","event_type":"banner_show","occurred_at":"2019-01-11T09:24:43Z","user_id":"u1","source":"test"}"#;

    fn published() -> Option<DateTime<Utc>> {
        "2026-03-01T12:00:00Z".parse().ok()
    }

    /// The minimal message with `more` fields before its last brace.
    fn with(more: &str) -> String {
        format!("{},{more}}}", &MINIMAL[..MINIMAL.len() - 1])
    }

    fn reason(message: &[u8]) -> String {
        Event::decode(message, published()).expect_err("should be rejected").reason
    }

    fn order(more: &str) -> Event<'static> {
        let message = with(more).replace("banner_show", "order");
        Event::decode(message.leak().as_bytes(), published()).expect("a good order")
    }

    #[test]
    fn an_event_survives_its_own_json() {
        let mut event = Event::new(EventType::Order, "user \"1\"\n", "storefront");
        event.site_version = Some(SiteVersion::Tablet);
        event.price = Some("10.50".parse().unwrap());
        event.quantity = Some(2);
        event.amount = Some("21.00".parse().unwrap());
        event.currency = Some("EUR".into());
        event.latitude = Some(40.76046814557239);
        event.import_id = Some(Uuid::from_u128(7));
        event.attributes.insert("campaign".into(), serde_json::json!({"name": "spring", "id": 9007199254740993_u64}));
        let json = event.to_json();
        assert_eq!(Event::decode(&json, Some(event.occurred_at)).unwrap(), event);
    }

    #[test]
    fn the_json_of_an_event_is_what_the_contract_says() {
        let mut event = Event::decode(MINIMAL.as_bytes(), None).unwrap();
        assert_eq!(String::from_utf8(event.to_json()).unwrap(), MINIMAL);
        event.price = Some("0.10".parse().unwrap());
        assert!(String::from_utf8(event.to_json()).unwrap().ends_with(r#""source":"test","price":"0.10"}"#));
    }

    #[test]
    fn what_is_not_an_event_is_rejected_with_a_reason() {
        let long = "x".repeat(1_001);
        let cases = [
            (String::new(), "not JSON: EOF while parsing"),
            ("hello".into(), "not JSON: expected value"),
            ("[1]".into(), "invalid type: sequence, expected a JSON object"),
            ("null".into(), "invalid type: null, expected a JSON object"),
            (format!("{MINIMAL} x"), "not JSON: trailing characters"),
            (MINIMAL.replace(r#""user_id":"u1","#, ""), "user_id: missing or null"),
            (MINIMAL.replace(r#""u1""#, "null"), "user_id: missing or null"),
            (MINIMAL.replace(r#""u1""#, "17"), "user_id: invalid type: integer `17`, expected text"),
            (MINIMAL.replace("banner_show", "banner_shown"), "event_type: \"banner_shown\" is none of banner_show, "),
            (MINIMAL.replace("cfcd2084", "zfcd2084"), "event_id: UUID parsing failed"),
            (MINIMAL.replace("09:24:43Z", "09:24:43"), "occurred_at: \"2019-01-11T09:24:43\" is not RFC 3339"),
            (MINIMAL.replace("2019-", "99999-"), "occurred_at: \"99999-01-11T09:24:43Z\" is not RFC 3339"),
            (MINIMAL.replace("2019-", "1999-"), "occurred_at: 1999-01-11 09:24:43 UTC is before 2000"),
            (
                MINIMAL.replace("2019-01-11", "2026-03-03"),
                "occurred_at: 2026-03-03 09:24:43 UTC is more than a day after",
            ),
            (MINIMAL.replace(r#""u1""#, r#""u\u00001""#), "user_id: holds a NUL character"),
            (MINIMAL.replace(r#""u1""#, r#""\ud800""#), "user_id: "),
            (with(r#""x":["a\u0000"]"#), "x: holds a NUL character"),
            (with(r#""brand":7"#), "brand: invalid type: integer `7`, expected text"),
            (with(&format!(r#""brand":"{long}""#)), "brand: has 1001 characters, over the limit of 1000"),
            (with(r#""user_id":"u2""#), "user_id: comes twice"),
            (with(r#""site_version":"tv""#), "site_version: \"tv\" is none of desktop, mobile, tablet"),
            (with(r#""price":"12,50""#), "price: \"12,50\" is not a decimal"),
            (with(r#""price":"1_000""#), "price: \"1_000\" is not a decimal"),
            (with(r#""price":true"#), "price: \"true\" is not a decimal"),
            (with(r#""price":1e400"#), "price: \"1e400\" is out of the range"),
            (
                with(r#""price":0.12345678901234567890123456789"#),
                "price: \"0.12345678901234567890123456789\" is out of",
            ),
            (with(r#""quantity":1.5"#), "quantity: invalid type: floating point `1.5`, expected i32"),
            (with(r#""currency":"usd""#), "currency: \"usd\" is not an ISO 4217 code"),
            (with(r#""import_id":"7""#), "import_id: UUID parsing failed"),
            (with(&format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200))), "x: recursion limit exceeded"),
            (with(r#""x":1e999"#), "x: number out of range"),
            (with(&format!(r#""x":"{}""#, "x".repeat(MAX_MESSAGE_BYTES))), "message of 1000"),
        ];
        for (message, expected) in cases {
            let reason = reason(message.as_bytes());
            let shown: String = message.chars().take(200).collect();
            assert!(reason.starts_with(expected), "{shown}\n gave {reason:?}\n not {expected:?}…");
        }
        assert!(
            reason(b"{\"user_id\":\"\xff\"}").starts_with("not UTF-8: invalid utf-8 sequence of 1 bytes from index 12")
        );
    }

    #[test]
    fn a_rejection_keeps_the_identity_it_could_read() {
        let message = with(r#""brand":7,"import_id":"00000000-0000-0000-0000-000000000007""#);
        let rejection = Event::decode(message.as_bytes(), None).unwrap_err();
        assert_eq!(rejection.event_id, "cfcd2084-95d5-65ef-66e7-dff9f98764da".parse().ok());
        assert_eq!(rejection.source.as_deref(), Some("test"));
        assert_eq!(rejection.import_id, Some(Uuid::from_u128(7)));
        let hopeless = Event::decode(b"\x00", None).unwrap_err();
        assert_eq!((hopeless.event_id, hopeless.source, hopeless.import_id), (None, None, None));
    }

    #[test]
    fn times_lose_their_offset_and_nothing_else() {
        let message = MINIMAL.replace("2019-01-11T09:24:43Z", "2019-01-01T00:30:00.1234567+05:45");
        let event = Event::decode(message.as_bytes(), None).unwrap();
        assert_eq!(event.occurred_at.to_rfc3339(), "2018-12-31T18:45:00.123456+00:00");
    }

    #[test]
    fn a_day_ahead_of_the_broker_is_the_limit_and_its_clock_is_the_only_one() {
        let at = |text: &str| MINIMAL.replace("2019-01-11T09:24:43Z", text);
        assert!(Event::decode(at("2026-03-02T12:00:00Z").as_bytes(), published()).is_ok());
        assert!(Event::decode(at("2026-03-02T12:00:01Z").as_bytes(), published()).is_err());
        assert!(Event::decode(at("9999-01-01T00:00:00Z").as_bytes(), None).is_ok());
    }

    #[test]
    fn money_is_taken_by_its_digits() {
        assert_eq!(order(r#""amount":0.1"#).amount, "0.1".parse().ok());
        assert_eq!(order(r#""amount":"1234567890123456789.01""#).amount, "1234567890123456789.01".parse().ok());
        assert_eq!(order(r#""amount":1.25e2"#).amount, "125".parse().ok());
        assert_eq!(order(r#""price":-3.50"#).amount, "-3.50".parse().ok());
    }

    #[test]
    fn the_amount_of_an_order_is_given_or_price_times_quantity() {
        assert_eq!(order(r#""price":"19.99","quantity":3"#).amount, "59.97".parse().ok());
        assert_eq!(order(r#""price":"19.99","quantity":3,"amount":"50""#).amount, "50".parse().ok());
        assert_eq!(order(r#""price":"19.99""#).currency.as_deref(), Some("USD"));
        assert_eq!(order(r#""price":"0.00""#).amount, "0".parse().ok());
        assert_eq!(order(r#""price":"19.99","quantity":0"#).amount, "0".parse().ok());
        assert_eq!(order(r#""quantity":3"#).amount, None);
        assert_eq!(order(r#""quantity":3"#).currency, None);
        let view = with(r#""price":"19.99""#);
        assert_eq!(Event::decode(view.as_bytes(), None).unwrap().amount, None);
        let huge =
            with(r#""price":"1.0000000000000000000000000001","quantity":2000000000"#).replace("banner_show", "order");
        assert!(
            reason(huge.as_bytes()).starts_with("amount: 1.0000000000000000000000000001 × 2000000000 has more than")
        );
    }

    #[test]
    fn an_order_that_failed_is_no_revenue() {
        for status in [
            "FAILED_API_RESPONSE",
            "failed_checkout",
            "INSUFICCIENT_FUNDS",
            "insufficient_funds",
            "User_Error",
            "FRAUD",
        ] {
            let order = order(&format!(r#""amount":"5","status":"{status}""#));
            assert_eq!((order.amount, order.revenue()), ("5".parse().ok(), None), "{status}");
        }
        assert_eq!(order(r#""amount":"5","status":"COMPLETED""#).revenue(), "5".parse().ok());
        assert_eq!(order(r#""amount":"5","status":"failedish""#).revenue(), "5".parse().ok());
    }

    #[test]
    fn what_is_not_known_is_kept_in_attributes() {
        let message = with(r#""user_agent":"x","nested":{"id":1234567890123456789},"brand":null"#);
        let event = Event::decode(message.as_bytes(), None).unwrap();
        assert_eq!(
            Value::Object(event.attributes),
            serde_json::json!({"user_agent": "x", "nested": {"id": 1234567890123456789_u64}})
        );
        assert_eq!(event.brand, None);
    }
}
