//! A file as numbered lines, whether it is plain, gzip or a zip with one CSV file in it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use flate2::CrcReader;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

/// A longer line is cut here: no event is longer.
pub(crate) const MAX_LINE_BYTES: usize = events::MAX_MESSAGE_BYTES;

const BUFFER_BYTES: usize = 256 * 1024;

/// A file that is being read, line by line.
pub(crate) struct Input {
    name: String,
    bytes: u64,
    position: Arc<AtomicU64>,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    number: u64,
    header: Vec<u8>,
}

/// One line without its end.
pub(crate) struct Line<'a> {
    /// Counted from 1, the header.
    pub(crate) number: u64,
    pub(crate) raw: &'a [u8],
    /// Whether the line went on after what is in `raw`.
    pub(crate) cut: bool,
}

impl Input {
    /// Opens a file, told by its first bytes and not by its name, and reads its first line.
    /// The error is one clear sentence.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!("{name}: there is no such file"),
            _ => anyhow::anyhow!("{name}: cannot be read: {error}"),
        })?;
        if metadata.is_dir() {
            bail!("{name} is a directory: name a CSV file in it");
        }
        let file = File::open(path).with_context(|| format!("{name}: cannot be opened"))?;
        let position = Arc::new(AtomicU64::new(0));
        let mut file = BufReader::with_capacity(BUFFER_BYTES, Counted { file, position: position.clone() });
        let magic = file.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
        let reader: Box<dyn Read + Send> = match magic {
            [] => bail!("{name} is empty: a CSV file begins with a header"),
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
            [b'P', b'K', 3, 4, ..] => open_member(file).with_context(|| format!("{name}: zip archive"))?,
            [b'P', b'K', 5, 6, ..] => bail!("{name} is an empty zip archive"),
            _ => Box::new(file),
        };
        let mut input = Self {
            name,
            bytes: metadata.len(),
            position,
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            line: Vec::new(),
            number: 0,
            header: Vec::new(),
        };
        let first = match input.next_line() {
            Ok(Some(line)) => line.raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line.raw).to_vec(),
            Ok(None) => bail!("{} is empty: a CSV file begins with a header", input.name),
            Err(error) => bail!(input.failure(&error)),
        };
        input.header = first;
        Ok(input)
    }

    /// The first line, without byte order mark and line end.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    /// The path as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The size of the file as it lies there, compressed or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much of these bytes has been read; moves on while lines are read.
    pub(crate) fn position(&self) -> Arc<AtomicU64> {
        self.position.clone()
    }

    /// The next line, or none at the end. After an error there is nothing more to be had, and the
    /// beginning of a line before it is not a line.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 2;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.line.ends_with(b"\n");
        if !ended && read as u64 == limit {
            self.reader.skip_until(b'\n')?;
        }
        let raw = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let cut = raw.len() > MAX_LINE_BYTES;
        Ok(Some(Line { number: self.number, raw: &raw[..raw.len().min(MAX_LINE_BYTES)], cut }))
    }

    /// A sentence about an error of [`Input::next_line`]: what, and where in the file.
    pub(crate) fn failure(&self, error: &io::Error) -> String {
        let problem = match error.kind() {
            io::ErrorKind::UnexpectedEof => "is cut short",
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => "is damaged",
            _ => "cannot be read on",
        };
        let position = self.position.load(Ordering::Relaxed);
        format!(
            "{} {problem} after line {}, at byte {position} of {} ({error}); get the file again",
            self.name, self.number, self.bytes
        )
    }
}

/// The bytes of a file as they are when unpacked, told by its first bytes and not by its name, or of standard
/// input (`-`). For who reads CSV of any kind; fails in one clear sentence.
pub fn unpacked(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let Input { header, reader, .. } = Input::open(path)?;
    // the line end that was taken off
    Ok(Box::new(io::Cursor::new([header, b"\n".to_vec()].concat()).chain(reader)))
}

/// A file that says how far it has been read.
struct Counted {
    file: File,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.file.seek(to)?;
        self.position.store(position, Ordering::Relaxed);
        Ok(position)
    }
}

/// The one CSV file of an archive. The zip crate reads the archive's directory; the data is read
/// here, because its reader borrows the archive, and because an archive that was cut short has no
/// directory and still gives what is there.
fn open_member(mut file: BufReader<Counted>) -> anyhow::Result<Box<dyn Read + Send>> {
    let Ok(mut archive) = ZipArchive::new(&mut file) else {
        return open_cut_short(file);
    };
    let is_csv = |name: &str| {
        let base = name.rsplit('/').next().unwrap_or(name);
        base.to_ascii_lowercase().ends_with(".csv") && !base.starts_with('.')
    };
    let mut names = Vec::new();
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let name = archive.by_index_data(index)?.name()?.into_owned();
        if is_csv(&name) {
            found.push(index);
        }
        names.push(name);
    }
    let &[index] = found.as_slice() else {
        bail!("one .csv file is expected in it, but it holds {}: unpack the one you mean", names.join(", "));
    };
    let member = archive.by_index_raw(index)?;
    if member.encrypted() {
        bail!("{} is encrypted: unpack it first", names[index]);
    }
    let start = member.data_start().context("its directory does not say where the data begins")?;
    let (method, packed, expected) = (member.compression(), member.compressed_size(), member.crc32());
    drop(member);
    file.seek(SeekFrom::Start(start))?;
    let packed = file.take(packed);
    let data: Box<dyn Read + Send> = match method {
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
        CompressionMethod::Stored => Box::new(packed),
        other => bail!("{} is packed with {other}, which is not read here: unpack it first", names[index]),
    };
    Ok(Box::new(Member { data: CrcReader::new(data), expected: Some(expected) }))
}

/// The first file of an archive whose directory, at the end, is missing.
fn open_cut_short(mut file: BufReader<Counted>) -> anyhow::Result<Box<dyn Read + Send>> {
    file.seek(SeekFrom::Start(0))?;
    let cut = "it is cut short, and its first file is not one that can be read all the same; get it again";
    let mut header = [0_u8; 30];
    file.read_exact(&mut header).context(cut)?;
    let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (flags, method, name_bytes, extra_bytes) = (word(6), word(8), word(26), word(28));
    let mut name = vec![0; name_bytes.into()];
    file.read_exact(&mut name).context(cut)?;
    io::copy(&mut file.by_ref().take(extra_bytes.into()), &mut io::sink()).context(cut)?;
    let (encrypted, deflated) = (flags & 1 != 0, method == 8);
    if encrypted || !deflated || !name.to_ascii_lowercase().ends_with(b".csv") {
        bail!(cut);
    }
    let data: Box<dyn Read + Send> = Box::new(DeflateDecoder::new(file));
    Ok(Box::new(Member { data: CrcReader::new(data), expected: None }))
}

/// The data of an archive's file, which ends in an error unless it is what the directory says.
struct Member {
    data: CrcReader<Box<dyn Read + Send>>,
    /// The checksum; none when the directory is missing.
    expected: Option<u32>,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.data.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            match self.expected {
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the end of the archive is missing")),
                Some(expected) if expected != self.data.crc().sum() => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum does not match"));
                }
                Some(_) => {}
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A file of its own for each test, gone with it.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("replay-{}", uuid::Uuid::now_v7()));
            fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// All lines, and the sentence about what came instead of the end.
    fn lines(file: &[u8]) -> (Vec<String>, Option<String>) {
        let file = Temporary::new(file);
        let mut input = Input::open(&file.0).unwrap();
        let mut lines = vec![String::from_utf8_lossy(input.header()).into_owned()];
        loop {
            match input.next_line() {
                Ok(Some(line)) => lines.push(String::from_utf8_lossy(line.raw).into_owned()),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(input.failure(&error))),
            }
        }
    }

    fn refusal(file: &[u8]) -> String {
        let file = Temporary::new(file);
        let error = Input::open(&file.0).err().expect("should not open");
        format!("{error:#}").replace(&file.0.display().to_string(), "FILE")
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, text) in files {
            writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(text).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Text that does not pack well, so that half a packed file is about half of it.
    fn many_lines() -> String {
        (0..20_000_u64).map(|n| format!("{n},{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
    }

    #[test]
    fn a_file_is_the_same_lines_however_it_is_packed() {
        let text = b"a,b\n1,2\n3,4\n";
        let expected = (vec!["a,b".to_owned(), "1,2".into(), "3,4".into()], None);
        assert_eq!(lines(text), expected);
        assert_eq!(lines(&gzip(text)), expected);
        let twice = [gzip(b"a,b\n1,"), gzip(b"2\n3,4\n")].concat();
        assert_eq!(lines(&twice), expected, "gzip files one after the other are one");
        for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
            let files: &[(&str, &[u8])] =
                &[("readme.txt", b"no"), ("data/product.csv", text), ("__MACOSX/._product.csv", b"x")];
            assert_eq!(lines(&zip(files, method)), expected);
        }
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_are_no_part_of_a_line() {
        assert_eq!(lines(b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4").0, ["a,b", "1,2", "3,4"]);
        assert_eq!(lines(b"a\n\n1\n").0, ["a", "", "1"]);
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_longest_event() {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'x'; MAX_LINE_BYTES]);
        text.push(b'\n');
        text.extend(vec![b'y'; 3 * MAX_LINE_BYTES]);
        text.extend(b"\nb\n");
        let file = Temporary::new(&text);
        let mut input = Input::open(&file.0).unwrap();
        let mut seen = Vec::new();
        while let Some(line) = input.next_line().unwrap() {
            seen.push((line.number, line.raw.len(), line.cut));
        }
        assert_eq!(seen, [(2, MAX_LINE_BYTES, false), (3, MAX_LINE_BYTES, true), (4, 1, false)]);
    }

    #[test]
    fn a_file_that_was_cut_short_gives_its_lines_and_then_says_where() {
        let text = many_lines();
        let whole: Vec<&str> = text.lines().collect();
        let zipped = zip(&[("product.csv", text.as_bytes())], CompressionMethod::Deflated);
        for packed in [gzip(text.as_bytes()), zipped] {
            let half = packed.len() / 2;
            let (lines, failure) = lines(&packed[..half]);
            assert!(lines.len() > 5_000 && lines.len() < 15_000, "{} lines", lines.len());
            assert_eq!(lines, whole[..lines.len()]);
            let failure = failure.expect("the end is missing");
            assert!(
                failure.contains(&format!("is cut short after line {}, at byte {half} of {half} (", lines.len())),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_zip_that_lost_only_its_directory_gives_all_lines_and_is_still_an_error() {
        let text = many_lines();
        let packed = zip(&[("product.csv", text.as_bytes())], CompressionMethod::Deflated);
        let (lines, failure) = lines(&packed[..packed.len() - 30]);
        assert_eq!(lines.len(), 20_000);
        assert!(failure.unwrap().contains("is cut short after line 20000"));
    }

    #[test]
    fn a_byte_that_changed_is_found() {
        let text = many_lines();
        let zipped = zip(&[("product.csv", text.as_bytes())], CompressionMethod::Stored);
        for mut packed in [gzip(text.as_bytes()), zipped] {
            let middle = packed.len() / 2;
            packed[middle] ^= 1;
            let (_, failure) = lines(&packed);
            assert!(failure.expect("damage").contains(" is damaged after line "));
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_clear_sentence() {
        assert_eq!(refusal(b""), "FILE is empty: a CSV file begins with a header");
        assert_eq!(refusal(&gzip(b"")), "FILE is empty: a CSV file begins with a header");
        assert_eq!(refusal(&zip(&[], CompressionMethod::Stored)), "FILE is an empty zip archive");
        assert_eq!(
            refusal(&zip(&[("a.csv", b"a"), ("b.csv", b"b")], CompressionMethod::Stored)),
            "FILE: zip archive: one .csv file is expected in it, but it holds a.csv, b.csv: unpack the one you mean"
        );
        assert_eq!(
            refusal(&gzip(b"a,b\n")[..12]),
            "FILE is cut short after line 0, at byte 12 of 12 (incomplete deflate stream); get the file again"
        );
        let missing = Input::open(Path::new("/nowhere/product.csv")).err().unwrap();
        assert_eq!(missing.to_string(), "/nowhere/product.csv: there is no such file");
        let directory = Input::open(&std::env::temp_dir()).err().unwrap();
        assert!(directory.to_string().ends_with("is a directory: name a CSV file in it"));
    }
}
