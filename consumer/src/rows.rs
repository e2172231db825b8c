//! Rows in PostgreSQL's binary form, and how they get into a table.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgTypeInfo, Postgres};
use sqlx::{AssertSqlSafe, Type};

/// So many rows at the most go by INSERT. A COPY is a conversation of several small messages that
/// wait for each other's acknowledgement (sqlx does not set `TCP_NODELAY`): 40 ms, whatever the rows.
const MOST_INSERTED: usize = 128;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// The quickest for their number.
    Quickest,
    /// By COPY, whose errors tell the row.
    Copy,
}

/// Rows of one table, each as binary COPY takes it: the number of columns, then a length and the
/// bytes for each.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: PgArgumentBuffer,
    count: usize,
}

impl Rows {
    /// Begins a row of so many columns, which must be put in order.
    pub(crate) fn begin(&mut self, columns: i16) {
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        self.count += 1;
    }

    /// The length of all rows in bytes.
    pub(crate) fn len(&self) -> usize {
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
            None => self.bytes.extend_from_slice(&(-1_i32).to_be_bytes()),
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
    }

    /// Writes the rows into the columns, given as in SQL, of a table.
    pub(crate) async fn write(
        &self,
        connection: &mut PgConnection,
        table: &str,
        columns: &str,
        way: Way,
    ) -> sqlx::Result<()> {
        if way == Way::Quickest && self.count <= MOST_INSERTED {
            self.insert(connection, table, columns).await
        } else {
            self.copy(connection, table, columns).await
        }
    }

    /// Inserts by statements of 64, 32, 16 … rows, so that few statements need to be prepared.
    async fn insert(&self, connection: &mut PgConnection, table: &str, columns: &str) -> sqlx::Result<()> {
        let mut rest: &[u8] = &self.bytes;
        let mut left = self.count;
        while left > 0 {
            let rows = 1 << left.ilog2().min(6);
            left -= rows;
            let mut values = Vec::new();
            for _ in 0..rows {
                let [high, low, fields @ ..] = rest else { break };
                rest = fields;
                for _ in 0..i16::from_be_bytes([*high, *low]) {
                    let (length, after) = rest.split_first_chunk().unwrap_or((&[0xff; 4], &[]));
                    let (value, after) = match usize::try_from(i32::from_be_bytes(*length)) {
                        Ok(length) => after.split_at(length),
                        Err(_) => (&[][..], after),
                    };
                    values.push(Encoded((i32::from_be_bytes(*length) >= 0).then_some(value)));
                    rest = after;
                }
            }
            let row = |row: usize| {
                let width = values.len() / rows;
                let numbers: Vec<String> = (row * width..(row + 1) * width).map(|n| format!("${}", n + 1)).collect();
                format!("({})", numbers.join(","))
            };
            let places: Vec<String> = (0..rows).map(row).collect();
            let statement = format!("insert into {table} ({columns}) values {}", places.join(","));
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for value in values {
                query = query.bind(value);
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn copy(&self, connection: &mut PgConnection, table: &str, columns: &str) -> sqlx::Result<()> {
        const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
        const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
        let statement = format!("copy {table} ({columns}) from stdin (format binary)");
        let mut copy = connection.copy_in_raw(&statement).await?;
        copy.send(HEADER).await?;
        for chunk in self.bytes.chunks(1 << 20) {
            copy.send(chunk).await?;
        }
        copy.send(TRAILER).await?;
        copy.finish().await?;
        Ok(())
    }
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
