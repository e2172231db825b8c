//! Times as files write them, on their way to UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

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

/// Reads `YYYY-MM-DD HH:MM:SS`, a time on the clocks of a zone.
pub(crate) fn parse_local(text: &str, zone: Tz) -> Option<(DateTime<Utc>, Clock)> {
    Some(to_utc(read(text.as_bytes(), b' ')?, zone))
}

/// Reads the same with a `T` in it, a fraction of a second, and with ` UTC`, `Z` or an offset behind it; one
/// that has none of these is on the clocks of `zone`.
pub(crate) fn parse(text: &str, zone: Tz) -> Option<(DateTime<Utc>, Clock)> {
    let (stem, offset) = split_offset(text)?;
    let (seconds, fraction) = stem.split_at_checked(19)?;
    let local = [b' ', b'T'].into_iter().find_map(|between| read(seconds.as_bytes(), between))?;
    let local = local.checked_add_signed(match fraction.strip_prefix('.') {
        Some(digits) => TimeDelta::microseconds(micros(digits)?),
        None if fraction.is_empty() => TimeDelta::zero(),
        None => return None,
    })?;
    match offset {
        Some(minutes) => Some((local.checked_sub_signed(TimeDelta::minutes(minutes))?.and_utc(), Clock::Plain)),
        None => Some(to_utc(local, zone)),
    }
}

/// Reads a number of seconds or, where it is too long for one of our times, of milliseconds since 1970.
pub(crate) fn parse_epoch(text: &str) -> Option<(DateTime<Utc>, Clock)> {
    if !(9..=14).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let time =
        if text.len() <= 11 { DateTime::from_timestamp(number, 0) } else { DateTime::from_timestamp_millis(number) };
    Some((time?, Clock::Plain))
}

/// What is before the offset, and the offset in minutes.
fn split_offset(text: &str) -> Option<(&str, Option<i64>)> {
    if let Some(stem) = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        return Some((stem, Some(0)));
    }
    let Some((stem, offset)) = text.len().checked_sub(6).and_then(|place| text.split_at_checked(place)) else {
        return Some((text, None));
    };
    let &[sign @ (b'+' | b'-'), a, b, b':', c, d] = offset.as_bytes() else { return Some((text, None)) };
    let (hours, minutes) = (number(&[a, b])?, number(&[c, d])?);
    if hours > 15 || minutes > 59 {
        return None;
    }
    let minutes = i64::from(hours * 60 + minutes);
    Some((stem, Some(if sign == b'-' { -minutes } else { minutes })))
}

/// The microseconds of the digits behind a point, of which there may be nine.
fn micros(digits: &str) -> Option<i64> {
    if !(1..=9).contains(&digits.len()) {
        return None;
    }
    let first: String = digits.chars().chain("00000".chars()).take(6).collect();
    number(digits.as_bytes())?;
    number(first.as_bytes()).map(i64::from)
}

fn read(text: &[u8], between: u8) -> Option<NaiveDateTime> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, space, i, j, b':', k, l, b':', m, n] = text else {
        return None;
    };
    if space != between {
        return None;
    }
    NaiveDate::from_ymd_opt(number(&[a, b, c, d])? as i32, number(&[e, f])?, number(&[g, h])?)?.and_hms_opt(
        number(&[i, j])?,
        number(&[k, l])?,
        number(&[m, n])?,
    )
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, digit| {
        digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
    })
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

    #[test]
    fn a_time_is_read_with_and_without_what_may_stand_behind_it() {
        let at = |text: &str| parse(text, chrono_tz::Europe::Berlin).map(|(time, _)| time.to_rfc3339());
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(at("2020-09-24 11:57:06 UTC"), expected("2020-09-24T11:57:06+00:00"));
        assert_eq!(at("2020-09-24 11:57:06+00:00"), expected("2020-09-24T11:57:06+00:00"));
        assert_eq!(at("2020-09-24T11:57:06Z"), expected("2020-09-24T11:57:06+00:00"));
        assert_eq!(at("2020-09-24 11:57:06.25-03:30"), expected("2020-09-24T15:27:06.250+00:00"));
        assert_eq!(at("2020-09-24 11:57:06"), expected("2020-09-24T09:57:06+00:00"));
        assert_eq!(at("2020-09-24 11:57:06.1234567 UTC"), expected("2020-09-24T11:57:06.123456+00:00"));
        for none in [
            "",
            "2020-09-24",
            "2020-09-24 11:57",
            "2020-09-24 11:57:06 CET",
            "2020-09-24 11:57:06.",
            "2020-09-24 11:57:06+99:00",
            "2020-09-24 11:57:0é UTC",
            "2020-13-24 11:57:06 UTC",
        ] {
            assert_eq!(at(none), None, "{none}");
        }
        assert_eq!(parse_local("2020-09-24 11:57:06 UTC", Tz::UTC), None);
    }

    #[test]
    fn a_number_is_of_seconds_or_of_milliseconds() {
        let at = |text: &str| parse_epoch(text).map(|(time, _)| time.to_rfc3339());
        assert_eq!(at("1600948626"), Some("2020-09-24T11:57:06+00:00".into()));
        assert_eq!(at("1600948626123"), Some("2020-09-24T11:57:06.123+00:00".into()));
        assert_eq!(at("20200924"), None);
        assert_eq!(at("160094862a"), None);
    }
}
