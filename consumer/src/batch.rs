//! A batch: decoded messages as rows of PostgreSQL, with the few facts about each row
//! that its counts need.

use chrono::{DateTime, Utc};
use events::{Event, Rejection};
use hashbrown::{Equivalent, HashMap, HashSet};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::rows::Rows;

/// The columns of `events` that a row of [`Batch::rows`] holds, in its order.
pub(crate) const COLUMNS: &[&str] = &[
    "event_id",
    "occurred_at",
    r#""offset""#,
    "partition",
    "topic",
    "import_id",
    "event_type",
    "user_id",
    "source",
    "session_id",
    "page_id",
    "product",
    "site_version",
    "order_id",
    "product_id",
    "product_name",
    "brand",
    "category",
    "price",
    "quantity",
    "amount",
    "currency",
    "status",
    "payment_method",
    "order_type",
    "country",
    "state",
    "city",
    "latitude",
    "longitude",
    "traffic_source",
    "device",
    "os",
    "gender",
    "age_group",
    "membership_level",
    "region",
    "screen_size",
    "display_type",
    "resolution",
    "attributes",
];

/// A batch is full at this many bytes, whatever its number of rows.
const FULL_BYTES: usize = 16 << 20;

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

/// What the kept figures need to know of a row.
#[derive(Debug)]
pub(crate) struct Fact {
    pub event_id: Uuid,
    /// See [`Batch::user_id`].
    pub user: u32,
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
    /// Messages of imports that have been deleted: the partition of each.
    pub dropped: Vec<i32>,
    /// The imports of all others.
    pub imports: HashSet<Uuid>,
    pub rows: Rows,
    ids: HashSet<Uuid>,
    cells: HashMap<Cell, u32>,
    bytes: usize,
    /// Ids of users, one after the other: in a bulk replay the next event is often of the same user.
    users: Vec<String>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Makes it empty, and keeps its room for the next one's messages: megabytes that come and go would
    /// leave the process's memory in pieces.
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.facts.clear();
        self.repeats.clear();
        self.rejected.clear();
        self.dropped.clear();
        self.imports.clear();
        self.rows.clear();
        self.ids.clear();
        self.cells.clear();
        self.users.clear();
        self.bytes = 0;
    }

    /// Whether the batch has taken enough: `rows` messages, or as many bytes as may be held.
    pub(crate) fn is_full(&self, rows: usize) -> bool {
        self.messages() >= rows || self.bytes >= FULL_BYTES
    }

    pub(crate) fn messages(&self) -> usize {
        self.facts.len() + self.repeats.len() + self.rejected.len() + self.dropped.len()
    }

    /// The cells of the rows, each with the index that facts use.
    pub(crate) fn cells(&self) -> &HashMap<Cell, u32> {
        &self.cells
    }

    /// The user of a row.
    pub(crate) fn user_id(&self, fact: &Fact) -> &str {
        &self.users[fact.user as usize]
    }

    /// Takes the message at `place`, unless it is of an import that is `deleted`; `expected` is what
    /// PostgreSQL's next offset of the partition is if this is the partition's first message in the batch.
    pub(crate) fn push(
        &mut self,
        topic: &str,
        place: Place,
        expected: i64,
        payload: &[u8],
        decoded: Result<Event<'_>, Rejection>,
        deleted: &HashSet<Uuid>,
    ) {
        let Place { partition, offset } = place;
        match self.spans.iter_mut().find(|span| span.partition == partition) {
            Some(span) => span.next = offset + 1,
            None => self.spans.push(Span { partition, expected, next: offset + 1 }),
        }
        let import_id = decoded.as_ref().map_or_else(|rejection| rejection.import_id, |event| event.import_id);
        if let Some(import_id) = import_id {
            if deleted.contains(&import_id) {
                self.dropped.push(partition);
                return;
            }
            self.imports.insert(import_id);
        }
        match decoded {
            Ok(event) if self.ids.insert(event.event_id) => {
                let before = self.rows.bytes();
                encode_row(&mut self.rows, topic, place, &event);
                self.bytes += self.rows.bytes() - before + size_of::<Fact>();
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

    /// The numbers of the rows whose events are not in `known`, in the order of the ids: the index is
    /// then walked along, not jumped about in.
    pub(crate) fn new_rows(&self, known: &HashSet<Uuid>) -> Vec<u32> {
        let mut rows: Vec<u32> =
            (0..self.facts.len() as u32).filter(|&row| !known.contains(&self.facts[row as usize].event_id)).collect();
        rows.sort_unstable_by_key(|&row| self.facts[row as usize].event_id);
        rows
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
        if self.users.last().is_none_or(|last| *last != event.user_id) {
            self.users.push(event.user_id.clone().into_owned());
            self.bytes += size_of::<String>() + event.user_id.len();
        }
        Fact {
            event_id: event.event_id,
            user: self.users.len() as u32 - 1,
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
fn encode_row(row: &mut Rows, topic: &str, place: Place, event: &Event<'_>) {
    row.begin();
    row.put(&event.event_id);
    row.put(&event.occurred_at);
    row.put(&place.offset);
    row.put(&place.partition);
    row.put(&topic);
    row.put_option(event.import_id.as_ref());
    row.put(&event.event_type.as_str());
    row.put(&&*event.user_id);
    row.put(&&*event.source);
    row.put_text(event.session_id.as_deref());
    row.put_text(event.page_id.as_deref());
    row.put_text(event.product.as_deref());
    row.put_text(event.site_version.map(events::SiteVersion::as_str));
    row.put_text(event.order_id.as_deref());
    row.put_text(event.product_id.as_deref());
    row.put_text(event.product_name.as_deref());
    row.put_text(event.brand.as_deref());
    row.put_text(event.category.as_deref());
    row.put_option(event.price.as_ref());
    row.put_option(event.quantity.as_ref());
    row.put_option(event.amount.as_ref());
    row.put_text(event.currency.as_deref());
    row.put_text(event.status.as_deref());
    row.put_text(event.payment_method.as_deref());
    row.put_text(event.order_type.as_deref());
    row.put_text(event.country.as_deref());
    row.put_text(event.state.as_deref());
    row.put_text(event.city.as_deref());
    row.put_option(event.latitude.as_ref());
    row.put_option(event.longitude.as_ref());
    row.put_text(event.traffic_source.as_deref());
    row.put_text(event.device.as_deref());
    row.put_text(event.os.as_deref());
    row.put_text(event.gender.as_deref());
    row.put_text(event.age_group.as_deref());
    row.put_text(event.membership_level.as_deref());
    row.put_text(event.region.as_deref());
    row.put_text(event.screen_size.as_deref());
    row.put_text(event.display_type.as_deref());
    row.put_text(event.resolution.as_deref());
    row.put_object(&event.attributes);
}
