//! The event as a type, and its JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use rust_decimal::Decimal;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::decode::quoted;

/// Declares an enum whose variants are words in the JSON and in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in JSON, in SQL and in URLs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// Takes the exact word; the error names the words that would do.
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{} is none of {}", quoted(word), [$($word),*].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What happened.
    EventType {
        /// A banner was shown on the home page.
        BannerShow = "banner_show",
        /// A banner was clicked, or a product page opened from the home page.
        BannerClick = "banner_click",
        /// Any page was seen.
        PageView = "page_view",
        /// A product's page was seen.
        ProductView = "product_view",
        /// A product was put into the cart.
        Cart = "cart",
        /// A product was taken out of the cart.
        CartRemove = "cart_remove",
        /// An order was placed; whether it brought revenue depends on its status.
        Order = "order",
        /// Something about the user changed.
        UserUpdate = "user_update",
    }
}

words! {
    /// The version of the site that the visitor saw.
    SiteVersion {
        /// A desktop or laptop computer.
        Desktop = "desktop",
        /// A phone.
        Mobile = "mobile",
        /// A tablet.
        Tablet = "tablet",
    }
}

/// Calls `$macro` with every optional field of an event, in the order of its JSON, as
/// `name: type as wire type`. The wire types (see `decode`) check what arrives.
macro_rules! with_optional_fields {
    ($macro:ident) => {
        $macro! {
            session_id: Cow<'a, str> as Text<'a>,
            page_id: Cow<'a, str> as Text<'a>,
            product: Cow<'a, str> as Text<'a>,
            site_version: SiteVersion as Word<SiteVersion>,
            order_id: Cow<'a, str> as Text<'a>,
            product_id: Cow<'a, str> as Text<'a>,
            product_name: Cow<'a, str> as Text<'a>,
            brand: Cow<'a, str> as Text<'a>,
            category: Cow<'a, str> as Text<'a>,
            price: Decimal as Number,
            quantity: i32 as i32,
            amount: Decimal as Number,
            currency: Cow<'a, str> as Currency<'a>,
            status: Cow<'a, str> as Text<'a>,
            payment_method: Cow<'a, str> as Text<'a>,
            order_type: Cow<'a, str> as Text<'a>,
            country: Cow<'a, str> as Text<'a>,
            state: Cow<'a, str> as Text<'a>,
            city: Cow<'a, str> as Text<'a>,
            latitude: f64 as f64,
            longitude: f64 as f64,
            traffic_source: Cow<'a, str> as Text<'a>,
            device: Cow<'a, str> as Text<'a>,
            os: Cow<'a, str> as Text<'a>,
            gender: Cow<'a, str> as Text<'a>,
            age_group: Cow<'a, str> as Text<'a>,
            membership_level: Cow<'a, str> as Text<'a>,
            region: Cow<'a, str> as Text<'a>,
            screen_size: Cow<'a, str> as Text<'a>,
            display_type: Cow<'a, str> as Text<'a>,
            resolution: Cow<'a, str> as Text<'a>,
            import_id: Uuid as Uuid,
        }
    };
}
pub(crate) use with_optional_fields;

macro_rules! declare {
    ($($field:ident: $kind:ty as $wire:ty,)*) => {
        /// One thing that happened. `event_id` alone decides its identity: the first stored copy wins.
        ///
        /// Text borrows from the message it was decoded from. An absent optional field and a JSON
        /// null are the same. Text fields hold at most [`crate::MAX_TEXT_CHARS`] characters.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the optional fields are named in docs and SQL by these very words")]
        pub struct Event<'a> {
            /// Who it is: the same id twice is the same event.
            pub event_id: Uuid,
            /// What happened.
            pub event_type: EventType,
            /// When it happened, to the microsecond; never the time of publishing.
            pub occurred_at: DateTime<Utc>,
            /// Whose doing it was; the Kafka key.
            pub user_id: Cow<'a, str>,
            /// Where the event comes from: `storefront`, `simulator`, a data set's name.
            pub source: Cow<'a, str>,
            $(pub $field: Option<$kind>,)*
            /// Every other key of the JSON object, as it came.
            pub attributes: Map<String, Value>,
        }

        impl<'a> Event<'a> {
            /// The names of the fields that may be absent, in the order of the JSON.
            pub const OPTIONAL_FIELDS: &'static [&'static str] = &[$(stringify!($field),)*];

            /// An event with its required fields and nothing else, happening now, with a new
            /// time-ordered id.
            pub fn new(
                event_type: EventType,
                user_id: impl Into<Cow<'a, str>>,
                source: impl Into<Cow<'a, str>>,
            ) -> Self {
                Self {
                    event_id: Uuid::now_v7(),
                    event_type,
                    occurred_at: Utc::now().trunc_subsecs(6),
                    user_id: user_id.into(),
                    source: source.into(),
                    $($field: None,)*
                    attributes: Map::new(),
                }
            }
        }

        impl Serialize for Event<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                let mut simple = [0; uuid::fmt::Hyphenated::LENGTH];
                map.serialize_entry("event_id", &*self.event_id.hyphenated().encode_lower(&mut simple))?;
                map.serialize_entry("event_type", self.event_type.as_str())?;
                map.serialize_entry(
                    "occurred_at",
                    &self.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                )?;
                map.serialize_entry("user_id", &self.user_id)?;
                map.serialize_entry("source", &self.source)?;
                $(if let Some(value) = &self.$field {
                    map.serialize_entry(stringify!($field), &Json(value))?;
                })*
                for (key, value) in &self.attributes {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    };
}
with_optional_fields!(declare);

impl Event<'_> {
    /// The event as the value of its Kafka message: one JSON object, absent fields left out.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(512);
        self.write_json(&mut json);
        json
    }

    /// Appends what [`Event::to_json`] returns to `out`, which a caller in a loop can reuse.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("every field is representable in JSON, and a Vec takes any write");
    }

    /// What the event brought in: the amount of an order that did not fail, else nothing.
    /// Its currency is `currency`, which a decoded event with an amount always has.
    pub fn revenue(&self) -> Option<Decimal> {
        if self.event_type == EventType::Order && !self.status.as_deref().is_some_and(failed) {
            self.amount
        } else {
            None
        }
    }
}

/// Whether an order with this status failed, so that its amount is no revenue.
/// The SQL function `failed(status)` says the same.
fn failed(status: &str) -> bool {
    let status = status.to_lowercase();
    status.starts_with("failed_")
        || matches!(
            status.as_str(),
            // the third is how one of the systems we replace spells the second
            "insufficient_funds" | "insuficcient_funds" | "user_error" | "fraud"
        )
}

/// How an optional field's value is written.
struct Json<'v, T>(&'v T);

macro_rules! plain_json {
    ($($kind:ty),*) => {$(
        impl Serialize for Json<'_, $kind> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
    )*};
}
plain_json!(Cow<'_, str>, i32, f64, Uuid);

impl Serialize for Json<'_, SiteVersion> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// Money is written as text: a JSON number would pass through binary floating point somewhere.
impl Serialize for Json<'_, Decimal> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
