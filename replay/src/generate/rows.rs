//! Rows as CSV, with ids as in the published file.

use std::io::{self, Write};

use md5::{Digest, Md5};

use super::plan::*;
use crate::product_csv::COLUMNS;

/// Writes rows as CSV, with ids as in the published file: MD5 sums of the numbers of row, user and
/// page, and of the word `nan` where an order has no page.
pub(super) struct Rows<'w, W> {
    out: &'w mut W,
    buffer: Vec<u8>,
    row: u64,
    page: u64,
    user_id: [u8; 32],
    page_id: [u8; 32],
    no_page: [u8; 32],
    days: Vec<String>,
}

/// Rows are handed on in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;

impl<'w, W: Write> Rows<'w, W> {
    /// Begins with the header.
    pub(super) fn new(out: &'w mut W) -> Self {
        let days = (1..).zip(MONTH_DAYS).flat_map(|(month, days)| (1..=days).map(move |day| (month, day)));
        let mut buffer = Vec::with_capacity(PIECE_BYTES + 1_024);
        buffer.extend_from_slice(COLUMNS.join(",").as_bytes());
        buffer.push(b'\n');
        Self {
            out,
            buffer,
            row: 0,
            page: 0,
            user_id: [0; 32],
            page_id: [0; 32],
            no_page: md5_of("nan"),
            days: days.map(|(month, day): (u32, u32)| format!("2019-{month:02}-{day:02} ")).collect(),
        }
    }

    /// The rows that follow are this user's.
    pub(super) fn next_user(&mut self, number: u64) {
        self.user_id = md5_of(&number.to_string());
    }

    /// The shows and clicks that follow are on a page that was not shown before.
    pub(super) fn next_page(&mut self) {
        self.page_id = md5_of(&self.page.to_string());
        self.page += 1;
    }

    /// Writes a row of the user and the page that were named last.
    pub(super) fn write(&mut self, site: usize, title: usize, product: usize, time: u32) -> io::Result<()> {
        let row_id = md5_of(&self.row.to_string());
        self.row += 1;
        let (page_id, target) = if title == ORDER { (&self.no_page, b"1") } else { (&self.page_id, b"0") };
        let (hour, minute, second) = (time / 3_600 % 24, time / 60 % 60, time % 60);
        let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        let ([h, i], [m, n], [s, t]) = (two(hour), two(minute), two(second));
        let clock = [h, i, b':', m, n, b':', s, t];
        for part in [
            &row_id[..],
            b",",
            &self.user_id,
            b",",
            page_id,
            b",",
            PRODUCTS[product].as_bytes(),
            b",",
            SITES[site].as_bytes(),
            b",",
            self.days[(time / DAY) as usize].as_bytes(),
            &clock,
            b",",
            TITLES[title].as_bytes(),
            b",",
            target,
            b"\n",
        ] {
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands on what is written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}

/// The MD5 sum of a text in hexadecimal digits.
pub(super) fn md5_of(text: &str) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(Md5::digest(text)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}
