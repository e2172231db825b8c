//! Lines that are no events: kept in a file of the same format, so that they can be mended and
//! replayed, and handed on to be kept in PostgreSQL.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A line that is no event, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reject {
    pub(crate) line: u64,
    pub(crate) event_id: Option<uuid::Uuid>,
    pub(crate) reason: String,
    pub(crate) raw: Vec<u8>,
}

/// A file beside the input with its header and the rejected lines as they were. There is none until
/// there is something to put into it.
pub(crate) struct RejectedFile {
    input: PathBuf,
    header: Vec<u8>,
    open: Option<(PathBuf, BufWriter<File>)>,
}

impl RejectedFile {
    /// For an input file with this header line.
    pub(crate) fn new(input: &Path, header: &[u8]) -> Self {
        Self { input: input.to_owned(), header: header.to_vec(), open: None }
    }

    /// Where it is, once there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }

    /// Adds a line, which comes without its end.
    pub(crate) fn add(&mut self, raw: &[u8]) -> anyhow::Result<()> {
        if self.open.is_none() {
            let (path, mut file) = self.create()?;
            write_line(&mut file, &self.header).with_context(|| format!("write {}", path.display()))?;
            self.open = Some((path, file));
        }
        match &mut self.open {
            Some((path, file)) => write_line(file, raw).with_context(|| format!("write {}", path.display())),
            None => Ok(()),
        }
    }

    /// Everything added so far is in the file after this.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.open {
            Some((path, file)) => file.flush().with_context(|| format!("write {}", path.display())),
            None => Ok(()),
        }
    }

    /// Beside the input, or in the current directory where that cannot be written to. A file that is
    /// there already is left alone: someone may be mending it.
    fn create(&self) -> anyhow::Result<(PathBuf, BufWriter<File>)> {
        let name = self.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut stem = name.as_str();
        for ending in [".zip", ".gz", ".csv"] {
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
        create(self.input.parent().unwrap_or(Path::new("")))
            .or_else(|_| create(Path::new("")))
            .with_context(|| format!("create {stem}.rejected.csv for the rejected lines, beside the file or here"))
    }
}

fn write_line(file: &mut impl Write, line: &[u8]) -> io::Result<()> {
    file.write_all(line)?;
    file.write_all(b"\n")
}
