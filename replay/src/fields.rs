//! One line of CSV as its fields.
//!
//! A line is a row: no column of our formats can hold a line break, so a quote that is left open
//! spoils its own line and no other.

use std::borrow::Cow;

/// Splits a line into exactly `N` fields; the error says what is wrong with it.
pub(crate) fn split<const N: usize>(line: &str) -> Result<[Cow<'_, str>; N], String> {
    const EMPTY: Cow<'_, str> = Cow::Borrowed("");
    let mut fields = [EMPTY; N];
    let count = each(line, |place, field| {
        if let Some(slot) = fields.get_mut(place) {
            *slot = field;
        }
    })?;
    if count == N { Ok(fields) } else { Err(format!("{count} fields instead of {N}")) }
}

/// Splits a line into `expected` fields.
pub(crate) fn split_into(line: &str, expected: usize) -> Result<Vec<Cow<'_, str>>, String> {
    let fields = split_all(line)?;
    let count = fields.len();
    if count == expected { Ok(fields) } else { Err(format!("{count} fields instead of {expected}")) }
}

/// Splits a line into as many fields as it has.
pub(crate) fn split_all(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::new();
    each(line, |_, field| fields.push(field))?;
    Ok(fields)
}

/// Calls `take` with each field and its place, and returns their number.
fn each<'l>(line: &'l str, mut take: impl FnMut(usize, Cow<'l, str>)) -> Result<usize, String> {
    let mut count = 0;
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = next(text).map_err(|problem| format!("field {}: {problem}", count + 1))?;
        take(count, field);
        count += 1;
        rest = after;
    }
    Ok(count)
}

/// The field, unless it is empty: quoted or not makes no difference.
pub(crate) fn present(field: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(field).filter(|field| !field.is_empty())
}

/// The first field of `text`, and what follows its comma.
fn next(text: &str) -> Result<(Cow<'_, str>, Option<&str>), &'static str> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let (field, after) = match text.split_once(',') {
            Some((field, after)) => (field, Some(after)),
            None => (text, None),
        };
        if field.contains('"') {
            return Err("a quote within a field that does not begin with one");
        }
        return Ok((Cow::Borrowed(field), after));
    };
    let mut field = Cow::Borrowed("");
    loop {
        let (part, after) = quoted.split_once('"').ok_or("the quote is not closed on this line")?;
        field += part;
        match after.as_bytes().first() {
            None => return Ok((field, None)),
            Some(b',') => return Ok((field, Some(&after[1..]))),
            Some(b'"') => {
                field += "\"";
                quoted = &after[1..];
            }
            Some(_) => return Err("text after the closing quote"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_its_commas() {
        assert_eq!(split::<3>("a,,c"), Ok(["a".into(), "".into(), "c".into()]));
        assert_eq!(split::<2>(","), Ok(["".into(), "".into()]));
        assert_eq!(split::<1>(""), Ok(["".into()]));
    }

    #[test]
    fn quotes_hold_commas_and_quotes() {
        assert_eq!(split::<3>(r#""a,b","",c"#), Ok(["a,b".into(), "".into(), "c".into()]));
        assert_eq!(split::<2>(r#""32"" screen","é""#), Ok(["32\" screen".into(), "é".into()]));
        assert_eq!(split::<1>(r#""""""#), Ok(["\"".into()]));
    }

    #[test]
    fn what_is_no_row_says_why() {
        assert_eq!(split::<3>("a,b"), Err("2 fields instead of 3".into()));
        assert_eq!(split::<3>("a,b,c,"), Err("4 fields instead of 3".into()));
        assert_eq!(split::<2>(r#"a,"b"#), Err("field 2: the quote is not closed on this line".into()));
        assert_eq!(split::<2>(r#""a"b,c"#), Err("field 1: text after the closing quote".into()));
        assert_eq!(split::<2>(r#"a"b,c"#), Err("field 1: a quote within a field that does not begin with one".into()));
    }
}
