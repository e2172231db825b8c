//! A file as numbered lines, whether it is plain, gzip, zstd or a zip with one CSV file in it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use flate2::CrcReader;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zip::{CompressionMethod, ZipArchive};

/// A longer line is cut here: no event is longer.
pub(crate) const MAX_LINE_BYTES: usize = events::MAX_MESSAGE_BYTES;

const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes that can be read several times: a file, or what came from somewhere else, in a file that has no
/// name and goes with the process.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    file: File,
    bytes: u64,
}

/// What is known of a file once it was read through.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) fingerprint: Fingerprint,
    /// A sentence about what came instead of the end, where there is anything.
    pub(crate) damage: Option<String>,
}

/// SHA-256 of a file's bytes when unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The id of the event of a line that has none itself: 74 bits of the fingerprint, then the line, as a
    /// UUID of version 8. Ids of a file follow one another, so that an index of them is appended to.
    pub(crate) fn id_of(self, line: u64) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..10].copy_from_slice(&self.0[..10]);
        bytes[10..].copy_from_slice(&line.to_be_bytes()[2..]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Source {
    /// Opens a file, or takes in what comes on standard input (`-`) or through a pipe until it ends; it is
    /// needed twice. The error is one clear sentence.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Self::spool("standard input".into(), &mut io::stdin().lock());
        }
        let name = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::anyhow!("{name}: there is no such file"),
            _ => anyhow::anyhow!("{name}: cannot be read: {error}"),
        })?;
        if metadata.is_dir() {
            bail!("{name} is a directory: name a CSV file in it");
        }
        let mut file = File::open(path).with_context(|| format!("{name}: cannot be opened"))?;
        if metadata.is_file() { Ok(Self { name, file, bytes: metadata.len() }) } else { Self::spool(name, &mut file) }
    }

    fn spool(name: String, from: &mut impl Read) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("shopwindow-replay-{}", Uuid::now_v7()));
        let problem =
            || format!("keep {name} in {}: is there room? TMPDIR names another directory", directory.display());
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).with_context(problem)?;
        fs::remove_file(&path).with_context(problem)?;
        let bytes = io::copy(from, &mut file).with_context(problem)?;
        Ok(Self { name, file, bytes })
    }

    /// The same bytes once more. Only one of the two may be read at a time.
    pub(crate) fn try_clone(&self) -> anyhow::Result<Self> {
        let file = self.file.try_clone().with_context(|| format!("{}: cannot be opened", self.name))?;
        Ok(Self { name: self.name.clone(), file, bytes: self.bytes })
    }

    /// The path as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The size of the file as it lies there, compressed or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it through; `position` moves on meanwhile.
    pub(crate) fn look_through(&self, position: &Arc<AtomicU64>) -> anyhow::Result<Looked> {
        let mut reader = self.unpack(position)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let damage = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break None,
                Ok(read) => digest.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(failure(self, position, "", &error)),
            }
        };
        let digest = digest.finalize();
        Ok(Looked { fingerprint: Fingerprint(std::array::from_fn(|place| digest[place])), damage })
    }

    /// Its unpacked bytes from the first on, told by the first ones and not by the name.
    fn unpack(&self, position: &Arc<AtomicU64>) -> anyhow::Result<Box<dyn Read + Send>> {
        let name = &self.name;
        let mut file = self.file.try_clone().with_context(|| format!("{name}: cannot be opened"))?;
        file.seek(SeekFrom::Start(0)).with_context(|| format!("{name}: cannot be read"))?;
        position.store(0, Ordering::Relaxed);
        let mut file = BufReader::with_capacity(BUFFER_BYTES, Counted { file, position: position.clone() });
        let magic = file.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
        Ok(match magic {
            [] => bail!("{name} is empty: a CSV file begins with a header"),
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Zstd(zstd::Decoder::with_buffer(file)?)),
            [b'P', b'K', 3, 4, ..] => open_member(file).with_context(|| format!("{name}: zip archive"))?,
            [b'P', b'K', 5, 6, ..] => bail!("{name} is an empty zip archive"),
            _ => Box::new(file),
        })
    }
}

/// The data of a zstd file; its errors are of the file, not of the system.
struct Zstd(zstd::Decoder<'static, BufReader<Counted>>);

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Other => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}

/// A file that is being read, line by line.
pub(crate) struct Input {
    source: Source,
    position: Arc<AtomicU64>,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    number: u64,
    header: Vec<u8>,
    /// Whether the first line is to come again, as a row.
    again: bool,
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
    /// Begins to read and takes the first line. The error is one clear sentence.
    pub(crate) fn new(source: Source) -> anyhow::Result<Self> {
        let position = Arc::new(AtomicU64::new(0));
        let reader = BufReader::with_capacity(BUFFER_BYTES, source.unpack(&position)?);
        let mut input =
            Self { source, position, reader, line: Vec::new(), number: 0, header: Vec::new(), again: false };
        let first = match input.next_line() {
            Ok(Some(line)) => line.raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line.raw).to_vec(),
            Ok(None) => bail!("{} is empty: a CSV file begins with a header", input.name()),
            Err(error) => bail!(input.failure(&error)),
        };
        input.header = first;
        Ok(input)
    }

    /// Takes the first line for a row, which then comes next.
    pub(crate) fn without_header(&mut self) {
        self.again = true;
    }

    /// The first line, without byte order mark and line end.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    /// The path as it was given.
    pub(crate) fn name(&self) -> &str {
        self.source.name()
    }

    /// The size of the file as it lies there, compressed or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// How much of these bytes has been read; moves on while lines are read.
    pub(crate) fn position(&self) -> Arc<AtomicU64> {
        self.position.clone()
    }

    /// The next line, or none at the end. After an error there is nothing more to be had, and the
    /// beginning of a line before it is not a line.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        if std::mem::take(&mut self.again) {
            return Ok(Some(Line { number: self.number, raw: &self.header, cut: false }));
        }
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
        failure(&self.source, &self.position, &format!(" after line {},", self.number), error)
    }
}

fn failure(source: &Source, position: &AtomicU64, line: &str, error: &io::Error) -> String {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "is cut short",
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => "is damaged",
        _ => "cannot be read on",
    };
    let Source { name, bytes, .. } = source;
    let position = position.load(Ordering::Relaxed);
    format!("{name} {problem}{line} at byte {position} of {bytes} ({error}); get the file again")
}

/// The bytes of a file as they are when unpacked, told by its first bytes and not by its name, or of standard
/// input (`-`). For who reads CSV of any kind; fails in one clear sentence.
pub fn unpacked(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let Input { header, reader, .. } = Input::new(Source::open(path)?)?;
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
        let mut input = Input::new(Source::open(&file.0).unwrap()).unwrap();
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
        let error = Source::open(&file.0).and_then(Input::new).err().expect("should not open");
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
        let mut input = Input::new(Source::open(&file.0).unwrap()).unwrap();
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
        let missing = Source::open(Path::new("/nowhere/product.csv")).err().unwrap();
        assert_eq!(missing.to_string(), "/nowhere/product.csv: there is no such file");
        let directory = Source::open(&std::env::temp_dir()).err().unwrap();
        assert!(directory.to_string().ends_with("is a directory: name a CSV file in it"));
    }
}
