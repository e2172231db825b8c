//! CSV of any kind as rows.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context, bail};

use crate::gather::Gathering;
use crate::report::Profile;
use crate::values::text;

/// A longer line is no row.
const LINE_BYTES: usize = 1_000_000;
/// A quoted field that goes on for more lines was never meant to.
const LINES: usize = 100;
/// What may stand between fields; told by the header.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Profiles CSV with a header, from wherever it comes; `name` is what the report calls it.
///
/// Commas, semicolons, tabs or bars separate the fields. Quoted fields may hold line breaks; a quote that is not
/// closed within 100 lines makes its line an unreadable row. Fails when reading fails or there is no header.
pub fn csv(name: &str, reader: impl Read) -> anyhow::Result<Profile> {
    let mut rows = Rows::new(BufReader::with_capacity(256 * 1024, reader));
    let header = rows.next().with_context(|| format!("{name} cannot be read"))?;
    let header = match header {
        Some(Row::Whole) => rows.record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&rows.record).to_vec(),
        Some(Row::Unreadable) => bail!("{name} does not begin with a header: its first line is no row of CSV"),
        None => bail!("{name} is empty: a CSV file begins with a header"),
    };
    let commas = |delimiter: u8| header.iter().filter(|&&byte| byte == delimiter).count();
    // the last of equals would win
    let delimiter = DELIMITERS.into_iter().rev().max_by_key(|&delimiter| commas(delimiter)).unwrap_or(b',');
    rows.delimiter = delimiter;

    let mut fields = Fields::default();
    fields.split(&header, delimiter);
    let names: Vec<_> = fields.iter().map(text).collect();
    let mut gathering = Gathering::new(&names, false);
    let mut count: u64 = 0;
    while let Some(row) = rows.next().with_context(|| format!("{name} cannot be read on after row {count}"))? {
        count += 1;
        match row {
            Row::Whole => {
                fields.split(&rows.record, delimiter);
                gathering.row(&fields.iter().map(Some).collect::<Vec<_>>());
            }
            Row::Unreadable => gathering.unreadable(),
        }
    }
    Ok(gathering.report(name.into()))
}

/// What [`Rows::next`] found.
enum Row {
    /// A row, in `record`.
    Whole,
    /// A line that is too long, or whose quote is not closed.
    Unreadable,
}

/// Rows of lines, several where a quoted field goes on. Empty lines are none.
struct Rows<R> {
    reader: R,
    delimiter: u8,
    record: Vec<u8>,
    /// Lines that were read in the search of a closing quote that did not come.
    left: io::Cursor<Vec<u8>>,
}

impl<R: BufRead> Rows<R> {
    fn new(reader: R) -> Self {
        Self { reader, delimiter: b',', record: Vec::new(), left: io::Cursor::default() }
    }

    fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            self.record.clear();
            match self.append_line()? {
                Line::None => return Ok(None),
                Line::TooLong => return Ok(Some(Row::Unreadable)),
                Line::Some => {}
            }
            let first_line = self.record.len();
            let mut lines = 1;
            while is_open(&self.record, self.delimiter) {
                let line = if lines < LINES { self.append_line()? } else { Line::None };
                lines += 1;
                if !matches!(line, Line::Some) || self.record.len() > LINE_BYTES {
                    let mut left = self.record.split_off(first_line);
                    let rest = self.left.position() as usize;
                    left.extend(&self.left.get_ref()[rest..]);
                    self.left = io::Cursor::new(left);
                    return Ok(Some(Row::Unreadable));
                }
            }
            if self.record.ends_with(b"\n") {
                self.record.pop();
            }
            if self.record.ends_with(b"\r") {
                self.record.pop();
            }
            if !self.record.is_empty() {
                return Ok(Some(Row::Whole));
            }
        }
    }

    fn append_line(&mut self) -> io::Result<Line> {
        if (self.left.position() as usize) < self.left.get_ref().len() {
            self.left.read_until(b'\n', &mut self.record)?;
            return Ok(Line::Some);
        }
        let read = self.reader.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut self.record)?;
        if read == LINE_BYTES && !self.record.ends_with(b"\n") {
            self.reader.skip_until(b'\n')?;
            return Ok(Line::TooLong);
        }
        Ok(if read == 0 { Line::None } else { Line::Some })
    }
}

enum Line {
    Some,
    TooLong,
    None,
}

/// Where in a field a byte is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Begin,
    Plain,
    Quoted,
    /// After a quote that closes the field, unless another one follows.
    Closed,
}

impl Place {
    /// After `byte`; whether that is a character of the field is said beside.
    fn after(self, byte: u8, delimiter: u8) -> (Self, bool) {
        match (self, byte) {
            (Self::Begin, b'"') => (Self::Quoted, false),
            (Self::Quoted, b'"') => (Self::Closed, false),
            // a doubled quote is one
            (Self::Closed, b'"') | (Self::Quoted, _) => (Self::Quoted, true),
            (_, byte) if byte == delimiter => (Self::Begin, false),
            _ => (Self::Plain, true),
        }
    }
}

/// Whether a quote that began a field is not closed.
fn is_open(record: &[u8], delimiter: u8) -> bool {
    record.contains(&b'"')
        && record.iter().fold(Place::Begin, |place, &byte| place.after(byte, delimiter).0) == Place::Quoted
}

/// The fields of a row, without their quotes.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    fn split(&mut self, record: &[u8], delimiter: u8) {
        self.bytes.clear();
        self.ends.clear();
        if !record.contains(&b'"') {
            for field in record.split(|&byte| byte == delimiter) {
                self.bytes.extend(field);
                self.ends.push(self.bytes.len());
            }
            return;
        }
        let mut place = Place::Begin;
        for &byte in record {
            let (after, is_character) = place.after(byte, delimiter);
            if is_character {
                self.bytes.push(byte);
            } else if after == Place::Begin {
                self.ends.push(self.bytes.len());
            }
            place = after;
        }
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut begin, end)..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row, fields joined by bars; an unreadable one is a question mark.
    fn rows(text: &str) -> Vec<String> {
        let mut rows = Rows::new(text.as_bytes());
        let mut fields = Fields::default();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push(match row {
                Row::Whole => {
                    fields.split(&rows.record, b',');
                    fields.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join("|")
                }
                Row::Unreadable => "?".into(),
            });
        }
        found
    }

    #[test]
    fn quotes_hold_commas_quotes_and_line_breaks() {
        assert_eq!(rows("a,\"b,c\",\"\"\r\n\n\"x\ny\",2,3"), ["a|b,c|", "x\ny|2|3"]);
        assert_eq!(rows("\"32\"\" screen\",1\n\"\"\"\",2\n\"\",3\n"), ["32\" screen|1", "\"|2", "|3"]);
        assert_eq!(rows("1,\"\"\"a\"\"\",\"b\"\"\"\n"), ["1|\"a\"|b\""]);
    }

    #[test]
    fn a_quote_within_a_field_is_a_character() {
        assert_eq!(rows("32\" screen,1\n2,b\n"), ["32\" screen|1", "2|b"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_spoils_its_line_alone() {
        let lines: String = (0..300).map(|n| format!("{n},x\n")).collect();
        let found = rows(&format!("1,\"open\n{lines}"));
        assert_eq!(
            (found.len(), found[0].as_str(), found[1].as_str(), found[300].as_str()),
            (301, "?", "0|x", "299|x")
        );
        assert_eq!(rows("1,\"open\n2,b\n3,c"), ["?", "2|b", "3|c"]);
    }

    #[test]
    fn a_line_of_any_length_takes_bounded_memory() {
        let long = "x".repeat(3 * LINE_BYTES);
        assert_eq!(rows(&format!("a,b\n{long}\nc,d\n")), ["a|b", "?", "c|d"]);
    }
}
