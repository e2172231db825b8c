//! Rows in PostgreSQL's binary form, and how they get into a table.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgTypeInfo, Postgres};
use sqlx::{AssertSqlSafe, Type};

/// So many rows at the most go by INSERT. A COPY is a conversation of several small messages that
/// wait for each other's acknowledgement (sqlx does not set `TCP_NODELAY`): 40 ms, whatever the rows.
const MOST_INSERTED: usize = 128;

/// A COPY is sent in pieces of about this many bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// The quickest for their number.
    Quickest,
    /// By COPY, whose errors tell the row.
    Copy,
}

/// Rows of one table of at most 64 columns. Only the values that are not null are held, each as its
/// length and its bytes, and of each row which columns they are of.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: PgArgumentBuffer,
    rows: Vec<Row>,
    /// The columns that any row has a value of; a COPY of the others would only cost time.
    used: u64,
    column: u32,
}

struct Row {
    start: usize,
    /// Bit n: the row has a value of column n.
    columns: u64,
}

impl Rows {
    /// Begins a row, whose columns must be put in order.
    pub(crate) fn begin(&mut self) {
        self.rows.push(Row { start: self.bytes.len(), columns: 0 });
        self.column = 0;
    }

    /// Forgets the rows, and keeps their room.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.used = 0;
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The length of all rows in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn put<'q, T: Encode<'q, Postgres>>(&mut self, value: &T) {
        self.put_sized(|bytes| {
            let encoded = value.encode_by_ref(bytes);
            debug_assert!(encoded.is_ok(), "values of these types always encode");
        });
    }

    pub(crate) fn put_option<'q, T: Encode<'q, Postgres>>(&mut self, value: Option<&T>) {
        match value {
            Some(value) => self.put(value),
            None => self.column += 1,
        }
    }

    pub(crate) fn put_text(&mut self, text: Option<&str>) {
        self.put_option(text.as_ref());
    }

    /// Puts a JSON object as jsonb, an empty one as null.
    pub(crate) fn put_object(&mut self, object: &serde_json::Map<String, serde_json::Value>) {
        if object.is_empty() {
            return self.put_text(None);
        }
        self.put_sized(|bytes| {
            // the version of jsonb's binary form
            bytes.push(1);
            serde_json::to_writer(&mut **bytes, object).expect("a JSON object is JSON, and a Vec takes any write");
        });
    }

    fn put_sized(&mut self, write: impl FnOnce(&mut PgArgumentBuffer)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut self.bytes);
        let length = (self.bytes.len() - start - 4) as i32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
        if let Some(row) = self.rows.last_mut() {
            row.columns |= 1 << self.column;
            self.used |= 1 << self.column;
        }
        self.column += 1;
    }

    /// Writes the rows with these numbers, in their order, into a table; `columns` names all columns
    /// that were put, as in SQL.
    pub(crate) async fn write(
        &self,
        connection: &mut PgConnection,
        table: &str,
        columns: &[&str],
        picked: &[u32],
        way: Way,
    ) -> sqlx::Result<()> {
        if way == Way::Quickest && picked.len() <= MOST_INSERTED {
            // all columns, for each list of columns is another statement to prepare
            self.insert(connection, &format!("{table} ({})", columns.join(", ")), columns.len(), picked).await
        } else {
            let used: Vec<&str> =
                columns.iter().enumerate().filter(|(n, _)| self.used & (1 << n) != 0).map(|(_, name)| *name).collect();
            self.copy(connection, &format!("{table} ({})", used.join(", ")), picked).await
        }
    }

    /// As [`Rows::write`], all rows as they were put.
    pub(crate) async fn write_all(
        &self,
        connection: &mut PgConnection,
        table: &str,
        columns: &[&str],
    ) -> sqlx::Result<()> {
        let all: Vec<u32> = (0..self.len() as u32).collect();
        self.write(connection, table, columns, &all, Way::Quickest).await
    }

    fn row(&self, number: u32) -> (u64, &[u8]) {
        let row = &self.rows[number as usize];
        let end = self.rows.get(number as usize + 1).map_or(self.bytes.len(), |next| next.start);
        (row.columns, &self.bytes[row.start..end])
    }

    /// Inserts by statements of 64, 32, 16 … rows, so that few statements need to be prepared.
    async fn insert(
        &self,
        connection: &mut PgConnection,
        target: &str,
        width: usize,
        picked: &[u32],
    ) -> sqlx::Result<()> {
        let all = u64::MAX >> (64 - width);
        let mut left = picked;
        while !left.is_empty() {
            let (rows, rest) = left.split_at(1 << left.len().ilog2().min(6));
            left = rest;
            let places = |row: usize| {
                let numbers: Vec<String> = (row * width..(row + 1) * width).map(|n| format!("${}", n + 1)).collect();
                format!("({})", numbers.join(","))
            };
            let places: Vec<String> = (0..rows.len()).map(places).collect();
            let statement = format!("insert into {target} values {}", places.join(","));
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for &row in rows {
                let (columns, fields) = self.row(row);
                for value in values(all, columns, fields) {
                    query = query.bind(Encoded(value));
                }
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn copy(&self, connection: &mut PgConnection, target: &str, picked: &[u32]) -> sqlx::Result<()> {
        const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
        const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
        let mut copy = connection.copy_in_raw(&format!("copy {target} from stdin (format binary)")).await?;
        let width = (self.used.count_ones() as i16).to_be_bytes();
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + (CHUNK_BYTES >> 4));
        chunk.extend_from_slice(HEADER);
        for &number in picked {
            let (columns, fields) = self.row(number);
            chunk.extend_from_slice(&width);
            if columns == self.used {
                chunk.extend_from_slice(fields);
            } else {
                for value in values(self.used, columns, fields) {
                    chunk.extend_from_slice(&value.map_or(-1, |value| value.len() as i32).to_be_bytes());
                    chunk.extend_from_slice(value.unwrap_or_default());
                }
            }
            if chunk.len() >= CHUNK_BYTES {
                copy.send(chunk.as_slice()).await?;
                chunk.clear();
            }
        }
        chunk.extend_from_slice(TRAILER);
        copy.send(chunk.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// The values of the columns in `used` of a row that has those in `columns`.
fn values(used: u64, columns: u64, mut fields: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    (0..u64::BITS).filter(move |column| used & (1 << column) != 0).map(move |column| {
        if columns & (1 << column) == 0 {
            return None;
        }
        let (length, after) = fields.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let (value, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        fields = after;
        Some(value)
    })
}

/// A value in its column's binary form; its type is for PostgreSQL to infer from the column.
struct Encoded<'r>(Option<&'r [u8]>);

impl Type<Postgres> for Encoded<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Encoded<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.0 {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }
}
