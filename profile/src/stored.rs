//! The stored events as rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;

use crate::gather::Gathering;
use crate::report::Profile;

/// Bytes that are profiled at a time, while PostgreSQL sends the next.
const CHUNK_BYTES: usize = 256 * 1024;

/// Profiles the table `events` as it is at this moment; `rows` counts on meanwhile.
///
/// It reads the table once, by COPY, whose one statement is one snapshot. The time zone of the connection is that
/// of the times in the report.
pub async fn stored(connection: &mut PgConnection, rows: Arc<AtomicU64>) -> anyhow::Result<Profile> {
    let columns: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = 'events'::regclass and attnum > 0 and not attisdropped order by attnum",
    )
    .fetch_all(&mut *connection)
    .await?;
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(4);
    let gathering = tokio::task::spawn_blocking(move || {
        let mut gathering = Gathering::new(&columns, true);
        let mut unescaped = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            for line in chunk.split_inclusive(|&byte| byte == b'\n') {
                row(&mut gathering, line.strip_suffix(b"\n").unwrap_or(line), &mut unescaped);
                rows.fetch_add(1, Ordering::Relaxed);
            }
        }
        gathering
    });

    let mut stream = connection.copy_out_raw("copy events to stdout").await?;
    let mut chunk = Vec::new();
    while let Some(bytes) = stream.try_next().await? {
        chunk.extend_from_slice(&bytes);
        // only whole lines go: a message need not end with one
        if chunk.len() >= CHUNK_BYTES
            && let Some(end) = chunk.iter().rposition(|&byte| byte == b'\n')
        {
            let rest = chunk.split_off(end + 1);
            if sender.send(std::mem::replace(&mut chunk, rest)).await.is_err() {
                break;
            }
        }
    }
    if !chunk.is_empty() {
        // its end would be seen below
        let _ = sender.send(chunk).await;
    }
    drop(sender);
    Ok(gathering.await.context("profile the rows")?.report("stored events".into()))
}

/// A line of COPY's text format: fields between tabs, `\N` for null, backslashes before what would not be told
/// from these.
fn row(gathering: &mut Gathering, line: &[u8], unescaped: &mut Vec<u8>) {
    let nulls = |field| (field != b"\\N").then_some(field);
    let is_plain = line.split(|&byte| byte == b'\t').all(|field| field == b"\\N" || !field.contains(&b'\\'));
    if is_plain {
        gathering.row(&line.split(|&byte| byte == b'\t').map(nulls).collect::<Vec<_>>());
        return;
    }
    unescaped.clear();
    let mut spans = Vec::new();
    for field in line.split(|&byte| byte == b'\t') {
        let begin = unescaped.len();
        if field == b"\\N" {
            spans.push(None);
            continue;
        }
        let mut bytes = field.iter();
        while let Some(&byte) = bytes.next() {
            unescaped.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'b') => 8,
                    Some(b'f') => 12,
                    Some(b'v') => 11,
                    Some(&other) => other,
                    None => b'\\',
                },
                byte => byte,
            });
        }
        spans.push(Some(begin..unescaped.len()));
    }
    let fields: Vec<_> = spans.into_iter().map(|span| span.map(|span| &unescaped[span])).collect();
    gathering.row(&fields);
}
