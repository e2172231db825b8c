//! Any CSV file with a time, a type and a user, by the names that `--map` gives its columns.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use events::Event;
use serde_json::{Map, Number, Value};

use crate::fields::split_into;
use crate::times::{self, Clock};

/// What `imports` calls it.
pub(crate) const NAME: &str = "mapped";

/// Fields without which there is no event; an id is made where there is none.
const REQUIRED: [&str; 3] = ["occurred_at", "event_type", "user_id"];

/// What becomes of the columns of a file, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns(Vec<Option<String>>);

impl Columns {
    /// By pairs of our name and theirs. Columns that already have a name of ours keep it, all others become
    /// attributes. The error says what is missing.
    pub(crate) fn new(header: &[Cow<'_, str>], pairs: &[(String, String)]) -> Result<Self, String> {
        let known = |name: &str| {
            REQUIRED.contains(&name)
                || ["event_id", "source"].contains(&name)
                || (Event::OPTIONAL_FIELDS.contains(&name) && name != "import_id")
        };
        let mut columns: Vec<Option<String>> = vec![None; header.len()];
        for (ours, theirs) in pairs {
            if !known(ours) {
                return Err(format!(
                    "--map: {} is no field of an event; there are event_id, source, {}, {}",
                    events::quoted(ours),
                    REQUIRED.join(", "),
                    Event::OPTIONAL_FIELDS.join(", ")
                ));
            }
            let place = header.iter().position(|name| name == theirs).ok_or_else(|| {
                format!("--map: there is no column {}; there are {}", events::quoted(theirs), header.join(", "))
            })?;
            if let Some(before) = columns[place].replace(ours.clone()) {
                return Err(format!("--map: column {} is both {before} and {ours}", events::quoted(theirs)));
            }
        }
        for (name, column) in header.iter().zip(&mut columns) {
            let is_mapped = || pairs.iter().any(|(ours, _)| ours == name);
            if column.is_none() && !(known(name) && is_mapped()) && !name.is_empty() && name != "import_id" {
                *column = Some(name.clone().into_owned());
            }
        }
        let mut names: Vec<&str> = columns.iter().flatten().map(String::as_str).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two columns are {}", events::quoted(twice[0])));
        }
        if let Some(missing) = REQUIRED.iter().find(|name| !names.contains(name)) {
            return Err(format!(
                "no column is {missing}: say which by --map {missing}=COLUMN; there are {}",
                header.join(", ")
            ));
        }
        Ok(Self(columns))
    }

    /// The fields of a line, as a message has them, and what happened to its time. Those that a line may not
    /// have are filled in from `defaults`. The error says why the line is no event.
    pub(crate) fn read(
        &self,
        text: &str,
        timezone: Tz,
        defaults: Map<String, Value>,
    ) -> Result<(Map<String, Value>, Clock), String> {
        let mut fields = defaults;
        let mut clock = Clock::Plain;
        for (name, value) in self.0.iter().zip(split_into(text, self.0.len())?) {
            let Some(name) = name.as_deref().filter(|_| !value.is_empty()) else { continue };
            let value = match name {
                "occurred_at" => {
                    let (time, changed) = times::parse(&value, timezone)
                        .or_else(|| times::parse_epoch(&value))
                        .ok_or_else(|| format!("occurred_at: {} is not a time that is read here, such as 2026-01-31 09:30:00, 2026-01-31T09:30:00+01:00 or seconds since 1970", events::quoted(&value)))?;
                    clock = changed;
                    Value::String(rfc_3339(time))
                }
                "event_type" => Value::String(event_type(&value).to_owned()),
                "quantity" => number(name, &value, |text| text.parse::<i32>().ok().map(Number::from))?,
                "latitude" | "longitude" => number(name, &value, |text| text.parse().ok().and_then(Number::from_f64))?,
                _ => Value::String(value.into_owned()),
            };
            fields.insert(name.to_owned(), value);
        }
        match REQUIRED.iter().find(|name| !fields.contains_key(**name)) {
            Some(missing) => Err(format!("{missing}: is empty")),
            None => Ok((fields, clock)),
        }
    }
}

pub(crate) fn rfc_3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn number(name: &str, text: &str, parse: impl Fn(&str) -> Option<Number>) -> Result<Value, String> {
    parse(text).map(Value::Number).ok_or_else(|| format!("{name}: {} is no such number", events::quoted(text)))
}

/// What the systems that we take over from call our types.
fn event_type(theirs: &str) -> &str {
    match theirs {
        "pageview" => "page_view",
        "view" | "view_product" => "product_view",
        "add_to_cart" => "cart",
        "remove_from_cart" => "cart_remove",
        "purchase" | "transaction" => "order",
        _ => theirs,
    }
}
