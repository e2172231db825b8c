//! The format `product-csv`: the public data set of banner shows, banner clicks and orders.
//!
//! | column | event |
//! | --- | --- |
//! | `order_id` | `event_id`, bit for bit: despite its name it is the id of the row |
//! | `title` | `event_type` |
//! | `time` | `occurred_at`, taken in the time zone given |
//! | `user_id`, `page_id`, `product`, `site_version` | the same; an empty one of the last three is left out |
//! | `target` | none: it must be 1 exactly for orders |

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use events::{Event, EventType, SiteVersion};
use uuid::Uuid;

use crate::fields::split;

/// What `--format` calls it.
pub(crate) const NAME: &str = "product-csv";

/// The `source` of its events.
pub(crate) const SOURCE: &str = "product.csv";

/// The columns, in their order.
pub(crate) const COLUMNS: [&str; 8] =
    ["order_id", "user_id", "page_id", "product", "site_version", "time", "title", "target"];

/// Checks that a file begins as one of this format does. The error names the column that is not right.
pub(crate) fn check_header(header: &[u8]) -> Result<(), String> {
    let expected = COLUMNS.join(",");
    let header = String::from_utf8_lossy(header);
    let found: Vec<&str> = header.split(',').map(|name| name.trim_matches('"')).collect();
    let known = found.iter().filter(|name| COLUMNS.contains(&name.trim().to_ascii_lowercase().as_str())).count();
    if known < COLUMNS.len() / 2 {
        return Err(format!(
            "line 1 is {}, which is the header of no known format ({NAME}: {expected})",
            events::quoted(&header)
        ));
    }
    for (place, column) in COLUMNS.iter().enumerate() {
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
    match found.get(COLUMNS.len()) {
        Some(extra) => Err(format!(
            "the header has {} columns instead of 8, the first too many is {}",
            found.len(),
            events::quoted(extra)
        )),
        None => Ok(()),
    }
}

/// What happened to a time on its way to UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Clock {
    /// It is one moment.
    Plain,
    /// Clocks were put forward over it: it was moved forward by as much.
    Gap,
    /// Clocks were put back over it, so it was two moments: the first was taken.
    Overlap,
}

/// How rows become events.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    timezone: Tz,
    keep_products: bool,
    as_live: bool,
    import_id: Uuid,
    /// What the events of all rows have in common.
    common: Event<'static>,
}

/// What else there is to know of a row whose JSON was written.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) user_id: Cow<'a, str>,
    pub(crate) clock: Clock,
}

impl Mapping {
    /// Rows of the import `import_id`, with times of `timezone`. `company` becomes the shop's
    /// category `electronics` unless `keep_products`; `as_live` events happen now and have ids of
    /// their own.
    pub(crate) fn new(import_id: Uuid, timezone: Tz, keep_products: bool, as_live: bool) -> Self {
        let mut common = Event::new(EventType::BannerShow, "", SOURCE);
        common.import_id = Some(import_id);
        Self { timezone, keep_products, as_live, import_id, common }
    }

    /// Makes the event of a line, the `row`th of the file, and writes its JSON into `json`, which
    /// must be empty. The error says why the line is no event.
    pub(crate) fn map<'a>(&self, line: &'a [u8], row: u64, json: &mut Vec<u8>) -> Result<Row<'a>, String> {
        let text = str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
        let [order_id, user_id, page_id, product, site_version, time, title, target] = split(text)?;

        let row_id = parse_id(&order_id)?;
        let event_type = match &*title {
            "banner_show" => EventType::BannerShow,
            "banner_click" => EventType::BannerClick,
            "order" => EventType::Order,
            _ => return Err(format!("title: {} is none of banner_show, banner_click, order", events::quoted(&title))),
        };
        let expected = if event_type == EventType::Order { "1" } else { "0" };
        if target != expected {
            return Err(format!("target: {} on a row of {title}, expected {expected}", events::quoted(&target)));
        }
        if user_id.is_empty() {
            return Err("user_id: is empty".into());
        }
        let site_version = match &*site_version {
            "" => None,
            word => Some(word.parse::<SiteVersion>().map_err(|problem| format!("site_version: {problem}"))?),
        };
        let product = match present(product) {
            Some(product) if product == "company" && !self.keep_products => Some("electronics".into()),
            product => product,
        };
        let (then, clock) = to_utc(parse_time(&time)?, self.timezone);
        let now = Utc::now();
        let (event_id, occurred_at, clock) = if self.as_live {
            let own_id = Uuid::new_v5(&self.import_id, row.to_string().as_bytes());
            (own_id, now.trunc_subsecs(6), Clock::Plain)
        } else {
            (row_id, then, clock)
        };

        let common: Event<'a> = self.common.clone();
        let page_id = present(page_id);
        let event = Event { event_id, event_type, occurred_at, user_id, page_id, product, site_version, ..common };
        event.write_json(json);

        // What the consumer would refuse is refused here. Its rules stand in one place, which takes
        // JSON; a row that is beyond doubt need not go through it.
        let beyond_doubt = line.len() <= events::MAX_TEXT_CHARS
            && !line.contains(&0)
            && occurred_at.year() > 2000
            && occurred_at <= now;
        if !beyond_doubt {
            Event::decode(json, Some(now)).map_err(|rejection| {
                // where in the JSON would mislead: the reader sees a line of CSV
                let reason = rejection.reason;
                reason.split_once(" at line 1 column ").map_or(reason.clone(), |(what, _)| what.to_owned())
            })?;
        }
        Ok(Row { user_id: event.user_id, clock })
    }
}

/// The id of a line that may be no row, if there is one to be read.
pub(crate) fn readable_id(line: &[u8]) -> Option<Uuid> {
    let first = line.split(|&byte| byte == b',').next()?;
    parse_id(str::from_utf8(first).ok()?.trim_matches('"')).ok()
}

fn parse_id(text: &str) -> Result<Uuid, String> {
    // other ways to write a UUID are longer
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == 32 => Ok(id),
        _ => Err(format!("order_id: {} is not 32 hexadecimal digits", events::quoted(text))),
    }
}

fn present(field: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(field).filter(|field| !field.is_empty())
}

/// Reads `YYYY-MM-DD HH:MM:SS`.
fn parse_time(text: &str) -> Result<NaiveDateTime, String> {
    read_time(text.as_bytes())
        .ok_or_else(|| format!("time: {} is not a time as YYYY-MM-DD HH:MM:SS", events::quoted(text)))
}

fn read_time(text: &[u8]) -> Option<NaiveDateTime> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, b' ', i, j, b':', k, l, b':', m, n] = text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    NaiveDate::from_ymd_opt(number(&[a, b, c, d])? as i32, number(&[e, f])?, number(&[g, h])?)?.and_hms_opt(
        number(&[i, j])?,
        number(&[k, l])?,
        number(&[m, n])?,
    )
}

/// The moment of a time on the clocks of a zone.
fn to_utc(local: NaiveDateTime, zone: Tz) -> (DateTime<Utc>, Clock) {
    match zone.from_local_datetime(&local) {
        chrono::MappedLocalTime::Single(time) => (time.to_utc(), Clock::Plain),
        chrono::MappedLocalTime::Ambiguous(first, _) => (first.to_utc(), Clock::Overlap),
        chrono::MappedLocalTime::None => {
            // by the clock as it went before it was put forward
            let before = GapInfo::new(&local, &zone).and_then(|gap| gap.begin).map(|(_, offset)| offset);
            let moved = before.and_then(|offset| offset_from(local, &offset));
            (moved.unwrap_or_else(|| local.and_utc()), Clock::Gap)
        }
    }
}

fn offset_from(local: NaiveDateTime, offset: &impl chrono::Offset) -> Option<DateTime<Utc>> {
    local.checked_sub_offset(offset.fix()).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

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
