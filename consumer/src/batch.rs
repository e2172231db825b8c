//! A batch: decoded messages as rows of PostgreSQL's binary COPY, with the few facts about each row
//! that its counts need.

use chrono::{DateTime, Utc};
use events::{Event, Rejection};
use hashbrown::{Equivalent, HashMap, HashSet};
use rust_decimal::Decimal;
use sqlx::encode::Encode;
use sqlx::postgres::{PgArgumentBuffer, Postgres};
use uuid::Uuid;

/// The columns of `events` that a row of [`Batch::rows`] holds, in its order.
pub(crate) const COLUMNS: &str = r#"event_id, occurred_at, "offset", partition, topic, import_id, event_type, user_id,
    source, session_id, page_id, product, site_version, order_id, product_id, product_name, brand, category, price,
    quantity, amount, currency, status, payment_method, order_type, country, state, city, latitude, longitude,
    traffic_source, device, os, gender, age_group, membership_level, region, screen_size, display_type, resolution,
    attributes"#;
const COLUMN_COUNT: i16 = 41;

/// A batch is full at this many bytes, whatever its number of rows.
const FULL_BYTES: usize = 32 << 20;

/// What events are counted by; `currency` is none for events that brought nothing in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    pub event_type: &'static str,
    pub product: Option<String>,
    pub site_version: Option<&'static str>,
    pub source: String,
    pub currency: Option<String>,
}

/// A [`Cell`] that borrows from an event; hashes alike.
#[derive(Hash)]
struct CellOf<'a> {
    event_type: &'static str,
    product: Option<&'a str>,
    site_version: Option<&'static str>,
    source: &'a str,
    currency: Option<&'a str>,
}

impl Equivalent<Cell> for CellOf<'_> {
    fn equivalent(&self, cell: &Cell) -> bool {
        self.event_type == cell.event_type
            && self.product == cell.product.as_deref()
            && self.site_version == cell.site_version
            && self.source == cell.source
            && self.currency == cell.currency.as_deref()
    }
}

impl From<&CellOf<'_>> for Cell {
    fn from(cell: &CellOf<'_>) -> Self {
        Self {
            event_type: cell.event_type,
            product: cell.product.map(str::to_owned),
            site_version: cell.site_version,
            source: cell.source.to_owned(),
            currency: cell.currency.map(str::to_owned),
        }
    }
}

/// What the counts need to know of a row.
#[derive(Debug)]
pub(crate) struct Fact {
    pub event_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    /// An index into [`Batch::cells`].
    pub cell: u32,
    /// What the event brought in, in the cell's currency.
    pub revenue: Option<Decimal>,
    pub import_id: Option<Uuid>,
    pub partition: i32,
    pub offset: i64,
}

/// A message that is no event.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub rejection: Rejection,
    pub partition: i32,
    pub offset: i64,
    pub payload: Vec<u8>,
}

/// The messages of one partition in a batch: those from `expected` (what PostgreSQL must hold as
/// its next offset) to before `next`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub partition: i32,
    pub expected: i64,
    pub next: i64,
}

/// Where a message stands in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// Messages that are stored, or not, together.
#[derive(Default)]
pub(crate) struct Batch {
    /// One span a partition.
    pub spans: Vec<Span>,
    /// A fact a row.
    pub facts: Vec<Fact>,
    /// Events whose id came before in this batch: import and partition of each.
    pub repeats: Vec<(Option<Uuid>, i32)>,
    pub rejected: Vec<Rejected>,
    rows: PgArgumentBuffer,
    ids: HashSet<Uuid>,
    cells: HashMap<Cell, u32>,
    bytes: usize,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether the batch has taken enough: `rows` messages, or as many bytes as may be held.
    pub(crate) fn is_full(&self, rows: usize) -> bool {
        self.facts.len() + self.repeats.len() + self.rejected.len() >= rows || self.bytes >= FULL_BYTES
    }

    /// The rows as PostgreSQL's binary COPY takes them, without its header and trailer.
    pub(crate) fn rows(&self) -> &[u8] {
        &self.rows
    }

    /// The cells of the rows, each with the index that facts use.
    pub(crate) fn cells(&self) -> &HashMap<Cell, u32> {
        &self.cells
    }

    /// Takes the message at `place`; `expected` is what PostgreSQL's next offset of the partition is
    /// if this is the partition's first message in the batch.
    pub(crate) fn push(
        &mut self,
        topic: &str,
        place: Place,
        expected: i64,
        payload: &[u8],
        decoded: Result<Event<'_>, Rejection>,
    ) {
        let Place { partition, offset } = place;
        match self.spans.iter_mut().find(|span| span.partition == partition) {
            Some(span) => span.next = offset + 1,
            None => self.spans.push(Span { partition, expected, next: offset + 1 }),
        }
        match decoded {
            Ok(event) if self.ids.insert(event.event_id) => {
                let before = self.rows.len();
                encode_row(&mut self.rows, topic, place, &event);
                self.bytes += self.rows.len() - before + size_of::<Fact>();
                let fact = self.fact(place, &event);
                self.facts.push(fact);
            }
            Ok(event) => self.repeats.push((event.import_id, partition)),
            Err(rejection) => {
                self.bytes += payload.len() + size_of::<Rejected>();
                self.rejected.push(Rejected { rejection, partition, offset, payload: payload.to_vec() });
            }
        }
    }

    fn fact(&mut self, place: Place, event: &Event<'_>) -> Fact {
        let revenue = event.revenue();
        let key = CellOf {
            event_type: event.event_type.as_str(),
            product: event.product.as_deref(),
            site_version: event.site_version.map(events::SiteVersion::as_str),
            source: &event.source,
            currency: event.currency.as_deref().filter(|_| revenue.is_some()),
        };
        let cell = match self.cells.get(&key) {
            Some(&index) => index,
            None => {
                let index = self.cells.len() as u32;
                self.cells.insert(Cell::from(&key), index);
                index
            }
        };
        Fact {
            event_id: event.event_id,
            occurred_at: event.occurred_at,
            cell,
            revenue,
            import_id: event.import_id,
            partition: place.partition,
            offset: place.offset,
        }
    }
}

/// Appends a row of [`COLUMNS`].
fn encode_row(row: &mut PgArgumentBuffer, topic: &str, place: Place, event: &Event<'_>) {
    row.extend_from_slice(&COLUMN_COUNT.to_be_bytes());
    put(row, &event.event_id);
    put(row, &event.occurred_at);
    put(row, &place.offset);
    put(row, &place.partition);
    put(row, &topic);
    put_option(row, event.import_id.as_ref());
    put(row, &event.event_type.as_str());
    put(row, &&*event.user_id);
    put(row, &&*event.source);
    put_text(row, event.session_id.as_deref());
    put_text(row, event.page_id.as_deref());
    put_text(row, event.product.as_deref());
    put_text(row, event.site_version.map(events::SiteVersion::as_str));
    put_text(row, event.order_id.as_deref());
    put_text(row, event.product_id.as_deref());
    put_text(row, event.product_name.as_deref());
    put_text(row, event.brand.as_deref());
    put_text(row, event.category.as_deref());
    put_option(row, event.price.as_ref());
    put_option(row, event.quantity.as_ref());
    put_option(row, event.amount.as_ref());
    put_text(row, event.currency.as_deref());
    put_text(row, event.status.as_deref());
    put_text(row, event.payment_method.as_deref());
    put_text(row, event.order_type.as_deref());
    put_text(row, event.country.as_deref());
    put_text(row, event.state.as_deref());
    put_text(row, event.city.as_deref());
    put_option(row, event.latitude.as_ref());
    put_option(row, event.longitude.as_ref());
    put_text(row, event.traffic_source.as_deref());
    put_text(row, event.device.as_deref());
    put_text(row, event.os.as_deref());
    put_text(row, event.gender.as_deref());
    put_text(row, event.age_group.as_deref());
    put_text(row, event.membership_level.as_deref());
    put_text(row, event.region.as_deref());
    put_text(row, event.screen_size.as_deref());
    put_text(row, event.display_type.as_deref());
    put_text(row, event.resolution.as_deref());
    if event.attributes.is_empty() {
        put_null(row);
    } else {
        put_sized(row, |row| {
            // the version of jsonb's binary form
            row.push(1);
            serde_json::to_writer(&mut **row, &event.attributes)
                .expect("a JSON object is JSON, and a Vec takes any write");
        });
    }
}

/// Appends a value in PostgreSQL's binary form, its length before it.
pub(crate) fn put<'q, T: Encode<'q, Postgres>>(row: &mut PgArgumentBuffer, value: &T) {
    put_sized(row, |row| {
        let encoded = value.encode_by_ref(row);
        debug_assert!(encoded.is_ok(), "values of these types always encode");
    });
}

fn put_option<'q, T: Encode<'q, Postgres>>(row: &mut PgArgumentBuffer, value: Option<&T>) {
    match value {
        Some(value) => put(row, value),
        None => put_null(row),
    }
}

fn put_text(row: &mut PgArgumentBuffer, text: Option<&str>) {
    put_option(row, text.as_ref());
}

fn put_null(row: &mut PgArgumentBuffer) {
    row.extend_from_slice(&(-1_i32).to_be_bytes());
}

fn put_sized(row: &mut PgArgumentBuffer, write: impl FnOnce(&mut PgArgumentBuffer)) {
    let start = row.len();
    row.extend_from_slice(&[0; 4]);
    write(row);
    let length = (row.len() - start - 4) as i32;
    row[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
