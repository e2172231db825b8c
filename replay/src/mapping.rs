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
    pub(crate) fn recognise(first: &[u8], format: Option<Format>, pairs: &[(String, String)]) -> Result<Self, String> {
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
        if is_rees46 { Ok(Self { begins_with_id, ..layout(Kind::Rees46) }) } else { Ok(layout(Kind::ProductCsv)) }
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

    const PRODUCT_HEADER: &str = "order_id,user_id,page_id,product,site_version,time,title,target";
    const FIRST: Place = Place { line: 2, row: 1 };

    fn mapping(zone: &str) -> Mapping {
        mapping_of(PRODUCT_HEADER, &[], zone)
    }

    fn mapping_of(header: &str, pairs: &[(&str, &str)], zone: &str) -> Mapping {
        let pairs: Vec<_> = pairs.iter().map(|(ours, theirs)| ((*ours).into(), (*theirs).into())).collect();
        let layout = Layout::recognise(header.as_bytes(), None, &pairs).unwrap();
        Mapping {
            source: layout.source().into(),
            layout,
            import_id: IMPORT,
            fingerprint: Fingerprint::default(),
            timezone: zone.parse().unwrap(),
            keep_products: false,
            as_live: false,
        }
    }

    /// The JSON of a line, or the reason why it is no event.
    fn try_map(mapping: &Mapping, line: &[u8], place: Place) -> Result<(String, Clock), String> {
        let mut json = Vec::new();
        let clock = mapping.map(line, place, &mapping.common(), &mut json)?.clock;
        Ok((String::from_utf8(json).unwrap(), clock))
    }

    fn json(line: &str) -> String {
        try_map(&mapping("UTC"), line.as_bytes(), FIRST).unwrap().0
    }

    fn reason(line: &[u8]) -> String {
        try_map(&mapping("UTC"), line, FIRST).expect_err("should be rejected")
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
        let keeping = Mapping { keep_products: true, ..mapping("UTC") };
        assert!(try_map(&keeping, line.as_bytes(), FIRST).unwrap().0.contains(r#""product":"company""#));
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
        let kolkata = mapping("Asia/Kolkata");
        let row = kolkata.map(quoted.as_bytes(), FIRST, &kolkata.common(), &mut json).unwrap();
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
            let line = SHOW.replace("2019-01-11 09:24:43", time);
            let (json, clock) = try_map(&mapping(zone), line.as_bytes(), FIRST).unwrap();
            (Event::decode(json.as_bytes(), None).unwrap().occurred_at.to_rfc3339(), clock)
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
        let live = Mapping { as_live: true, ..mapping("UTC") };
        let event_of = |row: u64| {
            let (json, _) = try_map(&live, SHOW.as_bytes(), Place { line: row + 1, row }).unwrap();
            Event::decode(json.leak().as_bytes(), Some(Utc::now())).unwrap()
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
        let good = PRODUCT_HEADER;
        let recognise = |header: &str| Layout::recognise(header.as_bytes(), None, &[]);
        let quoted = format!("\"{}\"", good.replace(',', "\",\""));
        assert_eq!(recognise(&quoted), recognise(good));
        let refusal = |header: &str| recognise(header).unwrap_err();
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
        assert!(refusal("a;b").contains(&format!("is the header of no known format (product-csv: {good}; rees46: ")));
        assert!(refusal("a;b").ends_with("--map occurred_at=TIME,event_type=TYPE,user_id=USER"));
        assert_eq!(
            refusal(&REES46_HEADER.replace("category_code", "category")),
            "column 5 of the header is \"category\", expected \"category_code\""
        );
    }

    #[test]
    fn the_id_of_a_broken_line_is_read_where_there_is_one() {
        assert_eq!(readable_id(&SHOW.as_bytes()[..40]), Some(Uuid::from_u128(0xa0b)));
        assert_eq!(readable_id(b"\"00000000000000000000000000000a0b\",\xff"), Some(Uuid::from_u128(0xa0b)));
        assert_eq!(readable_id(b"0a0b,u1"), None);
        assert_eq!(readable_id(b""), None);
    }

    const REES46_HEADER: &str =
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session";
    const VIEW: &str = "2020-09-24 11:57:06 UTC,view,1996170,2144415922528452715,electronics.telephone,,31.90,1515915625519388267,LJuJVLEjPT";

    #[test]
    fn a_row_of_rees46_becomes_the_event_it_tells_of() {
        let rees46 = mapping_of(REES46_HEADER, &[], "Europe/Berlin");
        let (json, _) = try_map(&rees46, VIEW.as_bytes(), FIRST).unwrap();
        assert_eq!(
            json,
            r#"{"event_id":"00000000-0000-8000-8000-000000000002","event_type":"product_view","occurred_at":"2020-09-24T11:57:06Z","user_id":"1515915625519388267","source":"rees46","session_id":"LJuJVLEjPT","product_id":"1996170","category":"electronics.telephone","price":"31.90","import_id":"00000000-0000-0000-0000-000000000007","category_id":"2144415922528452715"}"#
        );
        let other = VIEW.replace(",view,", ",remove_from_cart,").replace(" UTC", "+00:00").replace(",,", ",\"\",");
        assert_eq!(try_map(&rees46, other.as_bytes(), FIRST).unwrap().0, json.replace("product_view", "cart_remove"));
    }

    #[test]
    fn an_order_of_rees46_brings_its_price_even_if_that_is_negative() {
        let rees46 = mapping_of(REES46_HEADER, &[], "UTC");
        let line = VIEW.replace(",view,", ",purchase,").replace("31.90", "-7.10");
        let (json, _) = try_map(&rees46, line.as_bytes(), FIRST).unwrap();
        let order = Event::decode(json.as_bytes(), Some(Utc::now())).unwrap();
        assert_eq!(order.revenue().unwrap().to_string(), "-7.10");
        assert_eq!(order.currency.as_deref(), Some("USD"));
    }

    #[test]
    fn identical_lines_are_as_many_events_and_the_same_ones_when_read_again() {
        let rees46 = mapping_of(REES46_HEADER, &[], "UTC");
        let id = |mapping: &Mapping, line: &str, number: u64| {
            let (json, _) = try_map(mapping, line.as_bytes(), Place { line: number, row: number - 1 }).unwrap();
            Event::decode(json.as_bytes(), None).unwrap().event_id
        };
        assert_ne!(id(&rees46, VIEW, 2), id(&rees46, VIEW, 3));
        assert_eq!(id(&rees46, VIEW, 2), id(&rees46, VIEW, 2));

        // a mended line keeps the id that it had in its file
        let mended = mapping_of(&format!("event_id,{REES46_HEADER}"), &[], "UTC");
        assert!(!mended.layout.needs_whole_file());
        let given = id(&rees46, VIEW, 1_000_000);
        assert_eq!(id(&mended, &format!("{given},{VIEW}"), 2), given);
        let reason = try_map(&mended, format!("x,{VIEW}").as_bytes(), FIRST).unwrap_err();
        assert_eq!(reason, "event_id: \"x\" is not a UUID");
    }

    #[test]
    fn a_line_of_rees46_that_is_no_event_says_why() {
        let rees46 = mapping_of(REES46_HEADER, &[], "UTC");
        for (old, new, expected) in [
            (",view,", ",show,", "event_type: \"show\" is none of view, cart, remove_from_cart, purchase"),
            (" UTC", " CET", "event_time: \"2020-09-24 11:57:06 CET\" is not a time as YYYY-MM-DD HH:MM:SS UTC"),
            ("31.90", "1,5", "10 fields instead of 9"),
            ("31.90", "free", "price: \"free\" is not a decimal"),
            ("1515915625519388267", "", "user_id: is empty"),
            ("2020-", "1920-", "occurred_at: 1920-09-24 11:57:06 UTC is before 2000-01-01"),
        ] {
            let reason = try_map(&rees46, VIEW.replace(old, new).as_bytes(), FIRST).unwrap_err();
            assert_eq!(reason, expected);
        }
    }

    #[test]
    fn a_file_of_rees46_may_lack_its_header() {
        let rees46 = Layout::recognise(VIEW.as_bytes(), Some(Format::Rees46), &[]).unwrap();
        assert!(rees46.is_headless && rees46.needs_whole_file());
        let refusal = Layout::recognise(VIEW.as_bytes(), None, &[]).unwrap_err();
        assert_eq!(refusal, "line 1 is no header but looks like a row: --format rees46 reads it as one");
    }

    #[test]
    fn any_file_is_read_by_the_names_of_its_columns() {
        let pairs = [("occurred_at", "when"), ("event_type", "what"), ("user_id", "who"), ("order_id", "event_id")];
        let named = mapping_of("when,what,who,price,quantity,event_id,shelf,brand", &pairs, "Europe/Berlin");
        let line = "2026-01-31 09:30:00,purchase,17,2.50,3,A-1,\"top, left\",";
        let (json, _) = try_map(&named, line.as_bytes(), FIRST).unwrap();
        let order = Event::decode(json.as_bytes(), None).unwrap();
        assert_eq!(order.event_type, EventType::Order);
        assert_eq!(order.occurred_at.to_rfc3339(), "2026-01-31T08:30:00+00:00");
        assert_eq!((&*order.user_id, order.order_id.as_deref(), &*order.source), ("17", Some("A-1"), "mapped"));
        assert_eq!(order.amount.unwrap().to_string(), "7.50");
        assert_eq!(order.attributes["shelf"], "top, left");
        assert_eq!(order.brand, None);

        let reason = |old: &str, new: &str| try_map(&named, line.replace(old, new).as_bytes(), FIRST).unwrap_err();
        assert_eq!(reason("purchase", "sold").split(" is none of ").next().unwrap(), "event_type: \"sold\"");
        assert_eq!(reason(",17,", ",,"), "user_id: is empty");
        assert_eq!(reason(",3,", ",some,"), "quantity: \"some\" is no such number");
        assert!(reason("2026-01-31 09:30:00", "noon").starts_with("occurred_at: \"noon\" is not a time"));
    }

    #[test]
    fn a_map_that_does_not_fit_says_what_is_missing() {
        let refusal = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(ours, theirs)| ((*ours).into(), (*theirs).into())).collect();
            Layout::recognise(b"when,what,who", None, &pairs).unwrap_err()
        };
        assert!(
            refusal(&[("time", "when")]).starts_with("--map: \"time\" is no field of an event; there are event_id, ")
        );
        assert_eq!(
            refusal(&[("occurred_at", "whence")]),
            "--map: there is no column \"whence\"; there are when, what, who"
        );
        assert_eq!(
            refusal(&[("occurred_at", "when"), ("user_id", "who")]),
            "no column is event_type: say which by --map event_type=COLUMN; there are when, what, who"
        );
    }
}
