//! Which format a file is of, and how its lines become events.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use chrono_tz::Tz;
use events::{Event, EventType};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::fields::split_all;
use crate::input::Fingerprint;
use crate::named::{self, Columns};
use crate::times::Clock;
use crate::{Format, product_csv, rees46};

/// The column of ids that stands before the others in a file of rejected lines whose format has none.
pub(crate) const ID_COLUMN: &str = "event_id";

/// How the lines of a file are to be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    kind: Kind,
    /// Whether each line begins with its event's id and a comma, which are not of the format.
    begins_with_id: bool,
    /// Whether the first line is a row already.
    pub(crate) is_headless: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    ProductCsv,
    Rees46,
    Named(Columns),
}

impl Layout {
    /// By the first line of a file. The error names the column that is not right, or says what to do.
    pub(crate) fn recognise(
        first: &[u8],
        format: Option<Format>,
        pairs: &[(String, String)],
    ) -> Result<Self, String> {
        let text = String::from_utf8_lossy(first);
        let found = split_all(&text).unwrap_or_else(|_| text.split(',').map(Cow::Borrowed).collect());
        let layout = |kind| Self { kind, begins_with_id: false, is_headless: false };
        if !pairs.is_empty() {
            return Columns::new(&found, pairs).map(|columns| layout(Kind::Named(columns)));
        }
        let begins_with_id = found.first().is_some_and(|name| name == ID_COLUMN);
        let without_id = if begins_with_id { &found[1..] } else { &found[..] };
        let known = |found: &[Cow<'_, str>], columns: &[&str]| {
            found.iter().filter(|name| columns.contains(&name.trim().to_ascii_lowercase().as_str())).count() * 2
                >= columns.len()
        };
        match format {
            Some(Format::Rees46) if starts_with_a_time(&found) => {
                return Ok(Self { is_headless: true, ..layout(Kind::Rees46) });
            }
            Some(Format::ProductCsv) => check_header(&found, &product_csv::COLUMNS)?,
            Some(Format::Rees46) => check_header(without_id, &rees46::COLUMNS)?,
            None if known(&found, &product_csv::COLUMNS) => check_header(&found, &product_csv::COLUMNS)?,
            None if known(without_id, &rees46::COLUMNS) => check_header(without_id, &rees46::COLUMNS)?,
            None if starts_with_a_time(&found) && found.len() == rees46::COLUMNS.len() => {
                return Err("line 1 is no header but looks like a row: --format rees46 reads it as one".into());
            }
            None => {
                return Err(format!(
                    "line 1 is {}, which is the header of no known format ({}: {}; {}: {}). Any file with a time, a \
                     type and a user can be read by the names of its columns: \
                     --map occurred_at=TIME,event_type=TYPE,user_id=USER",
                    events::quoted(&text),
                    product_csv::NAME,
                    product_csv::COLUMNS.join(","),
                    rees46::NAME,
                    rees46::COLUMNS.join(",")
                ));
            }
        }
        let is_rees46 = format == Some(Format::Rees46) || (format.is_none() && !known(&found, &product_csv::COLUMNS));
        if is_rees46 {
            Ok(Self { begins_with_id, ..layout(Kind::Rees46) })
        } else {
            Ok(layout(Kind::ProductCsv))
        }
    }

    /// The format's name.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::ProductCsv => product_csv::NAME,
            Kind::Rees46 => rees46::NAME,
            Kind::Named(_) => named::NAME,
        }
    }

    /// The `source` of its events, unless another is named.
    pub(crate) fn source(&self) -> &'static str {
        match self.kind {
            Kind::ProductCsv => product_csv::SOURCE,
            Kind::Rees46 => rees46::SOURCE,
            Kind::Named(_) => named::NAME,
        }
    }

    /// The header of a file that has none.
    pub(crate) fn usual_header(&self) -> String {
        match self.kind {
            Kind::ProductCsv => product_csv::COLUMNS.join(","),
            Kind::Rees46 | Kind::Named(_) => rees46::COLUMNS.join(","),
        }
    }

    /// Whether an event's id follows from the file's fingerprint, so that only the whole file will do.
    pub(crate) fn needs_whole_file(&self) -> bool {
        !matches!(self.kind, Kind::ProductCsv) && !self.begins_with_id
    }
}

fn starts_with_a_time(found: &[Cow<'_, str>]) -> bool {
    found.first().is_some_and(|first| crate::times::parse(first, Tz::UTC).is_some())
}

/// Checks the names of the columns one by one.
fn check_header(found: &[Cow<'_, str>], columns: &[&str]) -> Result<(), String> {
    for (place, column) in columns.iter().enumerate() {
        match found.get(place) {
            Some(name) if name == column => {}
            Some(name) => {
                return Err(format!(
                    "column {} of the header is {}, expected {column:?}",
                    place + 1,
                    events::quoted(name)
                ));
            }
            None => return Err(format!("column {} of the header is missing, expected {column:?}", place + 1)),
        }
    }
    match found.get(columns.len()) {
        Some(extra) => Err(format!(
            "the header has {} columns instead of {}, the first too many is {}",
            found.len(),
            columns.len(),
            events::quoted(extra)
        )),
        None => Ok(()),
    }
}

/// Where a line stands in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Counted from 1, the header.
    pub(crate) line: u64,
    /// Counted from 1, without empty lines.
    pub(crate) row: u64,
}

/// How rows become events.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) layout: Layout,
    pub(crate) import_id: Uuid,
    pub(crate) fingerprint: Fingerprint,
    /// Of the times in the file.
    pub(crate) timezone: Tz,
    /// Whether `company` stays what it is, instead of the shop's category `electronics`.
    pub(crate) keep_products: bool,
    /// Whether events happen now and have ids of their own.
    pub(crate) as_live: bool,
    pub(crate) source: String,
}

/// What else there is to know of a row whose JSON was written.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) user_id: Cow<'a, str>,
    pub(crate) clock: Clock,
}

impl Mapping {
    /// What the events of all rows have in common.
    pub(crate) fn common(&self) -> Event<'static> {
        let mut common = Event::new(EventType::BannerShow, "", self.source.clone());
        common.import_id = Some(self.import_id);
        common
    }

    /// Makes the event of a line and writes its JSON into `json`, which must be empty. The error says why
    /// the line is no event.
    pub(crate) fn map<'a>(
        &self,
        line: &'a [u8],
        place: Place,
        common: &Event<'static>,
        json: &mut Vec<u8>,
    ) -> Result<Row<'a>, String> {
        let text = str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
        let now = Utc::now();
        let (mut event, mut clock) = match &self.layout.kind {
            Kind::ProductCsv => product_csv::read(text, self.timezone, self.keep_products, common)?,
            Kind::Rees46 if self.layout.begins_with_id => {
                let (id, text) = text.split_once(',').ok_or("1 fields instead of 10")?;
                let id = Uuid::try_parse(id.trim_matches('"'))
                    .map_err(|_| format!("{ID_COLUMN}: {} is not a UUID", events::quoted(id)))?;
                rees46::read(text, id, self.timezone, common)?
            }
            Kind::Rees46 => rees46::read(text, self.fingerprint.id_of(place.line), self.timezone, common)?,
            Kind::Named(columns) => return self.map_named(columns, text, place, now, json),
        };
        if self.as_live {
            (event.event_id, event.occurred_at) = (self.live_id(place), now.trunc_subsecs(6));
            clock = Clock::Plain;
        }
        event.write_json(json);
        // What the consumer would refuse is refused here. Its rules stand in one place, which takes
        // JSON; a row that is beyond doubt need not go through it.
        let beyond_doubt = line.len() <= events::MAX_TEXT_CHARS
            && !line.contains(&0)
            && event.occurred_at.year() > 2000
            && event.occurred_at <= now;
        if !beyond_doubt {
            check(json, now)?;
        }
        Ok(Row { user_id: event.user_id, clock })
    }

    fn map_named<'a>(
        &self,
        columns: &Columns,
        text: &str,
        place: Place,
        now: DateTime<Utc>,
        json: &mut Vec<u8>,
    ) -> Result<Row<'a>, String> {
        let defaults = [(ID_COLUMN, self.fingerprint.id_of(place.line).to_string()), ("source", self.source.clone())];
        let defaults = defaults.map(|(name, value)| (name.to_owned(), Value::String(value)));
        let (mut fields, mut clock) = columns.read(text, self.timezone, Map::from_iter(defaults))?;
        fields.insert("import_id".into(), self.import_id.to_string().into());
        if self.as_live {
            fields.insert(ID_COLUMN.into(), self.live_id(place).to_string().into());
            fields.insert("occurred_at".into(), named::rfc_3339(now.trunc_subsecs(6)).into());
            clock = Clock::Plain;
        }
        serde_json::to_writer(&mut *json, &fields).map_err(|error| error.to_string())?;
        let event = check(json, now)?;
        Ok(Row { user_id: event.user_id.into_owned().into(), clock })
    }

    fn live_id(&self, place: Place) -> Uuid {
        Uuid::new_v5(&self.import_id, place.row.to_string().as_bytes())
    }

    /// The id that the event of a line would have that is none, as far as that is known.
    pub(crate) fn id_of(&self, line: &[u8], place: Place) -> Option<Uuid> {
        match self.layout.kind {
            Kind::ProductCsv => product_csv::readable_id(line),
            Kind::Rees46 if self.layout.begins_with_id => {
                let id = line.split(|&byte| byte == b',').next()?;
                Uuid::try_parse(str::from_utf8(id).ok()?.trim_matches('"')).ok()
            }
            Kind::Rees46 | Kind::Named(_) if self.as_live => Some(self.live_id(place)),
            Kind::Rees46 | Kind::Named(_) => Some(self.fingerprint.id_of(place.line)),
        }
    }
}

/// Whether the consumer will take it.
fn check(json: &[u8], now: DateTime<Utc>) -> Result<Event<'_>, String> {
    Event::decode(json, Some(now)).map_err(|rejection| {
        // where in the JSON would mislead: the reader sees a line of CSV
        let reason = rejection.reason;
        reason.split_once(" at line 1 column ").map_or(reason.clone(), |(what, _)| what.to_owned())
    })
}
#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::product_csv::readable_id;
    use crate::times::Clock;

    const IMPORT: Uuid = Uuid::from_u128(7);
    const SHOW: &str = "00000000000000000000000000000a0b,u1,p1,sneakers,desktop,2019-01-11 09:24:43,banner_show,0";

    fn mapping(zone: &str) -> Mapping {
        Mapping::new(IMPORT, zone.parse().unwrap(), false, false)
    }

    fn json(line: &str) -> String {
        let mut json = Vec::new();
        mapping("UTC").map(line.as_bytes(), 1, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    fn reason(line: &[u8]) -> String {
        mapping("UTC").map(line, 1, &mut Vec::new()).expect_err("should be rejected")
    }

    #[test]
    fn a_row_becomes_the_event_it_tells_of() {
        assert_eq!(
            json(SHOW),
            r#"{"event_id":"00000000-0000-0000-0000-000000000a0b","event_type":"banner_show","occurred_at":"2019-01-11T09:24:43Z","user_id":"u1","source":"product.csv","page_id":"p1","product":"sneakers","site_version":"desktop","import_id":"00000000-0000-0000-0000-000000000007"}"#
        );
        let order = SHOW.replace("banner_show,0", "order,1").replace("desktop", "mobile").replace("0a0b", "0A0B");
        assert_eq!(
            json(&order),
            r#"{"event_id":"00000000-0000-0000-0000-000000000a0b","event_type":"order","occurred_at":"2019-01-11T09:24:43Z","user_id":"u1","source":"product.csv","page_id":"p1","product":"sneakers","site_version":"mobile","import_id":"00000000-0000-0000-0000-000000000007"}"#
        );
    }

    #[test]
    fn company_is_the_shops_electronics_unless_products_are_kept() {
        let line = SHOW.replace("sneakers", "company");
        assert!(json(&line).contains(r#""product":"electronics""#));
        let mut kept = Vec::new();
        Mapping::new(IMPORT, Tz::UTC, true, false).map(line.as_bytes(), 1, &mut kept).unwrap();
        assert!(String::from_utf8(kept).unwrap().contains(r#""product":"company""#));
    }

    #[test]
    fn empty_optional_fields_are_left_out() {
        let line = SHOW.replace("p1,sneakers,desktop", ",,");
        let json = json(&line);
        assert!(json.contains(r#""source":"product.csv","import_id":"#), "{json}");
    }

    #[test]
    fn what_was_mapped_is_what_the_consumer_decodes() {
        let quoted = SHOW.replace("u1", r#""u ""1"", é""#);
        let mut json = Vec::new();
        let row = mapping("Asia/Kolkata").map(quoted.as_bytes(), 1, &mut json).unwrap();
        assert_eq!(row, Row { user_id: "u \"1\", é".into(), clock: Clock::Plain });
        let event = Event::decode(&json, Some(Utc::now())).unwrap();
        assert_eq!(event.user_id, row.user_id);
        assert_eq!(event.occurred_at.to_rfc3339(), "2019-01-11T03:54:43+00:00");
        assert_eq!(event.to_json(), json);
    }

    #[test]
    fn a_line_that_is_no_event_says_why() {
        let cases = [
            ("", "", "1 fields instead of 8"),
            ("banner_show,0", "banner_show", "7 fields instead of 8"),
            (",0", ",0,", "9 fields instead of 8"),
            ("0a0b", "a0b", "order_id: \"0000000000000000000000000000a0b\" is not 32 hex"),
            ("0a0b", "0a0g", "order_id: \"00000000000000000000000000000a0g\" is not 32 hex"),
            ("u1", "", "user_id: is empty"),
            ("u1", "u\0", "user_id: holds a NUL character"),
            ("sneakers", "\"sneakers", "field 4: the quote is not closed on this line"),
            ("desktop", "tv", "site_version: \"tv\" is none of desktop, mobile, tablet"),
            ("banner_show", "page_view", "title: \"page_view\" is none of banner_show, banner_click, order"),
            ("show,0", "show,1", "target: \"1\" on a row of banner_show, expected 0"),
            ("banner_show,0", "order,0", "target: \"0\" on a row of order, expected 1"),
            ("show,0", "show,", "target: \"\" on a row of banner_show, expected 0"),
            ("2019-01-11 09:24:43", "2019-02-29 09:24:43", "time: \"2019-02-29 09:24:43\" is not a time as"),
            ("09:24:43", "24:00:00", "time: \"2019-01-11 24:00:00\" is not a time as"),
            ("09:24:43", "9:24:43", "time: \"2019-01-11 9:24:43\" is not a time as"),
            ("2019-01-11", "11.01.2019", "time: \"11.01.2019 09:24:43\" is not a time as"),
            ("2019-01-11", "1999-12-31", "occurred_at: 1999-12-31 09:24:43 UTC is before 2000-01-01"),
            ("2019-01-11", "9999-12-31", "occurred_at: 9999-12-31 09:24:43 UTC is more than a day after"),
        ];
        for (old, new, expected) in cases {
            let line = if old.is_empty() { String::new() } else { SHOW.replacen(old, new, 1) };
            let reason = reason(line.as_bytes());
            assert!(reason.starts_with(expected), "{line}\n gave {reason:?}\n not {expected:?}…");
        }
        assert!(reason(b"\xff").starts_with("not UTF-8"));
        let long = SHOW.replace("u1", &"é".repeat(1_001));
        assert_eq!(reason(long.as_bytes()), "user_id: has 1001 characters, over the limit of 1000");
        let just = SHOW.replace("u1", &"é".repeat(1_000));
        assert!(json(&just).contains("éé"));
        assert!(json(&SHOW.replace("2019-01-11", "2000-01-01")).contains("2000-01-01T09:24:43Z"));
    }

    #[test]
    fn a_time_in_a_gap_moves_on_and_the_first_of_two_is_taken() {
        let utc = |zone: &str, time: &str| {
            let mut json = Vec::new();
            let row = mapping(zone);
            let row = row.map(SHOW.replace("2019-01-11 09:24:43", time).leak().as_bytes(), 1, &mut json).unwrap();
            (Event::decode(&json, None).unwrap().occurred_at.to_rfc3339(), row.clock)
        };
        let at = |text: &str, clock| (format!("{text}+00:00"), clock);
        assert_eq!(utc("Europe/Berlin", "2019-03-31 01:59:59"), at("2019-03-31T00:59:59", Clock::Plain));
        // 02:30 was skipped: it is what clocks call 03:30
        assert_eq!(utc("Europe/Berlin", "2019-03-31 02:30:00"), at("2019-03-31T01:30:00", Clock::Gap));
        assert_eq!(utc("Europe/Berlin", "2019-03-31 03:00:00"), at("2019-03-31T01:00:00", Clock::Plain));
        // 02:30 came twice, first in summer time
        assert_eq!(utc("Europe/Berlin", "2019-10-27 02:30:00"), at("2019-10-27T00:30:00", Clock::Overlap));
        assert_eq!(utc("Australia/Lord_Howe", "2019-10-06 02:10:00"), at("2019-10-05T15:40:00", Clock::Gap));
        // a whole day was skipped
        assert_eq!(utc("Pacific/Apia", "2011-12-30 12:00:00"), at("2011-12-30T22:00:00", Clock::Gap));
    }

    #[test]
    fn as_live_rows_happen_now_under_ids_of_import_and_row() {
        let live = Mapping::new(IMPORT, Tz::UTC, false, true);
        let event_of = |row: u64| {
            let mut json = Vec::new();
            live.map(SHOW.as_bytes(), row, &mut json).unwrap();
            Event::decode(json.leak(), Some(Utc::now())).unwrap()
        };
        let before = Utc::now().trunc_subsecs(6);
        let first = event_of(1);
        assert!(first.occurred_at >= before && first.occurred_at <= Utc::now());
        assert_eq!(first.event_id, Uuid::new_v5(&IMPORT, b"1"));
        assert_eq!(event_of(1).event_id, first.event_id);
        assert_ne!(event_of(2).event_id, first.event_id);
    }

    #[test]
    fn a_header_that_is_almost_right_names_its_column() {
        let good = "order_id,user_id,page_id,product,site_version,time,title,target";
        assert_eq!(check_header(good.as_bytes()), Ok(()));
        let quoted = format!("\"{}\"", good.replace(',', "\",\""));
        assert_eq!(check_header(quoted.as_bytes()), Ok(()));
        let refusal = |header: &str| check_header(header.as_bytes()).unwrap_err();
        assert_eq!(
            refusal(&good.replace("site_version", "siteversion")),
            "column 5 of the header is \"siteversion\", expected \"site_version\""
        );
        assert_eq!(
            refusal(&good.replace("title", " Title")),
            "column 7 of the header is \" Title\", expected \"title\""
        );
        assert_eq!(refusal(&good.replace(",target", "")), "column 8 of the header is missing, expected \"target\"");
        assert_eq!(
            refusal(&format!("{good},date")),
            "the header has 9 columns instead of 8, the first too many is \"date\""
        );
        assert_eq!(refusal(&format!(",{good}")), "column 1 of the header is \"\", expected \"order_id\"");
        assert!(refusal(SHOW).starts_with("line 1 is \"00000000000000000000000000000a0b,u1,p1,"), "{}", refusal(SHOW));
        assert!(refusal("a;b").ends_with(&format!("is the header of no known format (product-csv: {good})")));
    }

    #[test]
    fn the_id_of_a_broken_line_is_read_where_there_is_one() {
        assert_eq!(readable_id(&SHOW.as_bytes()[..40]), Some(Uuid::from_u128(0xa0b)));
        assert_eq!(readable_id(b"\"00000000000000000000000000000a0b\",\xff"), Some(Uuid::from_u128(0xa0b)));
        assert_eq!(readable_id(b"0a0b,u1"), None);
        assert_eq!(readable_id(b""), None);
    }
}
