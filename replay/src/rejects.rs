//! Lines that are no events: kept in PostgreSQL, and from there a file of the same format, so that they can
//! be mended and replayed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::PgPool;
use uuid::Uuid;

use crate::mapping::ID_COLUMN;
use crate::product_csv;

/// A line that is no event, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reject {
    pub(crate) line: u64,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) reason: String,
    pub(crate) raw: Vec<u8>,
}

/// Writes the rejected lines of an import under their file's header and returns their number; without any it
/// writes nothing. Where rows have no ids of their own, the id that each would have had comes first: however
/// often the file is mended and replayed, each line is one event. Fails when there is no such import.
pub async fn write(pool: &PgPool, import_id: Uuid, out: &mut impl Write) -> anyhow::Result<u64> {
    let import = sqlx::query!("select format, header from imports where import_id = $1::uuid", import_id)
        .fetch_optional(pool)
        .await?
        .with_context(|| format!("there is no import {import_id}: `shopwindow imports list` shows which there are"))?;
    let header = import.header.context("the import has no header: only its messages are known")?;
    let has_ids = import.format.as_deref() == Some(product_csv::NAME) || header.starts_with(ID_COLUMN);
    let mut lines = sqlx::query!(
        r#"select event_id, payload as "payload!" from rejected_events
           where import_id = $1::uuid and line is not null and payload is not null
           order by line"#,
        import_id
    )
    .fetch(pool);
    let mut number = 0;
    while let Some(line) = lines.try_next().await? {
        let mut put = |text: &[u8], id: Option<&str>| {
            if let Some(id) = id.filter(|_| !has_ids) {
                write!(out, "{id},")?;
            }
            out.write_all(text)?;
            out.write_all(b"\n")
        };
        let id = line.event_id.unwrap_or_default().to_string();
        if number == 0 {
            put(header.as_bytes(), Some(ID_COLUMN))?;
        }
        put(&line.payload, Some(&id))?;
        number += 1;
    }
    out.flush()?;
    Ok(number)
}

/// Makes a file for the rejected lines of another, beside it, or in the current directory where that cannot be
/// written to. A file that is there already is left alone: someone may be mending it.
pub(crate) fn create(input: &Path) -> anyhow::Result<(PathBuf, BufWriter<File>)> {
    let name = match input.file_name().unwrap_or_default().to_string_lossy() {
        name if name == "-" => "stdin".into(),
        name => name,
    };
    let mut stem = &*name;
    for ending in [".zip", ".gz", ".zst", ".csv"] {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    let create = |directory: &Path| {
        for number in 1_u32.. {
            let number = if number == 1 { String::new() } else { format!("-{number}") };
            let path = directory.join(format!("{stem}.rejected{number}.csv"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, BufWriter::new(file))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    };
    create(input.parent().unwrap_or(Path::new("")))
        .or_else(|_| create(Path::new("")))
        .with_context(|| format!("create {stem}.rejected.csv for the rejected lines, beside the file or here"))
}
