//! Distinct users. They cannot be summed, so they are counted from sets: those that are kept a cell and
//! day, where the range is made of whole such days, and else from the rows.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use chrono::{DateTime, Days, NaiveDate, Utc};
use futures_util::TryStreamExt;
use roaring::{MultiOps, RoaringBitmap};
use serde::Serialize;
use sqlx::postgres::PgConnection;

use crate::figures::rfc3339;
use crate::problem::Problem;
use crate::span::{Source, Span, View, query_of_span};

/// Sets that take more bytes than this, as PostgreSQL holds them, are not kept in memory but read for
/// each question.
const MOST_KEPT_BYTES: usize = 64 << 20;

/// The users of each value of a dimension, or of all events under `None`.
pub(crate) struct Users {
    counts: HashMap<Option<String>, i64>,
    /// The range of events that are stored and not in these figures yet.
    pub(crate) pending: Option<Pending>,
}

impl Users {
    pub(crate) fn new(counts: HashMap<Option<String>, i64>, pending: Option<Pending>) -> Self {
        Self { counts, pending }
    }

    /// How many users a value has.
    pub(crate) fn of(&self, value: Option<&str>) -> i64 {
        self.counts.get(&value.map(str::to_owned)).copied().unwrap_or(0)
    }
}

/// A closed range of times.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pending {
    from: String,
    to: String,
}

impl Pending {
    pub(crate) fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from: rfc3339(from), to: rfc3339(to) }
    }

    /// The range that holds both.
    pub(crate) fn and(self, other: &Self) -> Self {
        // the texts are of one length and zone
        Self { from: self.from.min(other.from.clone()), to: self.to.max(other.to.clone()) }
    }
}

/// The sets of users as they were read last, brought up to date by what has changed since.
#[derive(Default)]
pub(crate) struct Sets {
    kept: Arc<RwLock<Kept>>,
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// When PostgreSQL's sets were begun anew.
    since: Option<DateTime<Utc>>,
    /// The newest fold that is in here.
    fold: i64,
    bytes: usize,
    days: BTreeMap<(NaiveDate, i32), Set>,
}

/// The users of a cell and day.
struct Set {
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    users: RoaringBitmap,
    bytes: usize,
}

/// The cells of a question, each with the number of the key it counts to.
struct Picked {
    cells: HashMap<i32, usize>,
    keys: usize,
    starting: Option<DateTime<Utc>>,
    ending: Option<DateTime<Utc>>,
}

impl Sets {
    /// The distinct users of the events of `span`; of each value, where `view` is by a dimension.
    pub(crate) async fn users(&self, span: &Span, view: View, connection: &mut PgConnection) -> Result<Users, Problem> {
        let dimension = match view {
            View::By(dimension) => Some(dimension),
            View::Whole | View::ByDay | View::Windows { .. } | View::Rows => None,
        };
        if matches!(span.source, Source::Days | Source::Quarters)
            && let Some(users) = self.count(span, dimension, connection).await?
        {
            return Ok(users);
        }
        let rows = query_of_span!("queries/users.sql", span, dimension).fetch_all(connection).await?;
        Ok(Users { counts: rows.into_iter().map(|row| (row.value, row.users)).collect(), pending: None })
    }

    /// None when the range holds a part of a day that is kept whole only.
    async fn count(
        &self,
        span: &Span,
        dimension: Option<&str>,
        connection: &mut PgConnection,
    ) -> Result<Option<Users>, Problem> {
        // what is pending first: what is folded meanwhile may be counted, but must not be missing
        let cells = sqlx::query_file!("queries/picked_cells.sql", span.filters, dimension, span.starting, span.ending)
            .fetch_all(&mut *connection)
            .await?;
        let pending_from = cells.iter().filter_map(|cell| cell.pending_from).min();
        let pending_to = cells.iter().filter_map(|cell| cell.pending_to).max();
        let unions = self.unions(span, cells.into_iter().map(|cell| (cell.cell_id, cell.value)), connection).await?;
        Ok(unions.map(|unions| Users {
            counts: unions.into_iter().map(|(value, users)| (value, users.len() as i64)).collect(),
            pending: pending_from.zip(pending_to).map(|(from, to)| Pending::new(from, to)),
        }))
    }

    /// The users that events of these cells in the range have been folded of, together for each key; none when
    /// the range holds a part of a day that is kept whole only.
    pub(crate) async fn unions<K: Eq + Hash>(
        &self,
        span: &Span,
        cells: impl IntoIterator<Item = (i32, K)>,
        connection: &mut PgConnection,
    ) -> Result<Option<Vec<(K, RoaringBitmap)>>, Problem> {
        let mut numbers = HashMap::new();
        let mut picked = Picked { cells: HashMap::new(), keys: 0, starting: span.starting, ending: span.ending };
        for (cell_id, key) in cells {
            let number = *numbers.entry(key).or_insert(picked.keys);
            picked.keys = picked.keys.max(number + 1);
            picked.cells.insert(cell_id, number);
        }
        let unions = if self.refresh(connection).await? {
            let kept = self.kept.clone();
            let uniting = tokio::task::spawn_blocking(move || {
                kept.read().unwrap_or_else(PoisonError::into_inner).unions(&picked)
            });
            uniting.await.context("unite users").map_err(Problem::Internal)?
        } else {
            picked.unions_unkept(connection).await?
        };
        let mut keys: Vec<(K, usize)> = numbers.into_iter().collect();
        keys.sort_unstable_by_key(|(_, number)| *number);
        Ok(unions.map(|unions| keys.into_iter().map(|(key, _)| key).zip(unions).collect()))
    }

    /// Reads what has changed. False when it is more than may be kept.
    async fn refresh(&self, connection: &mut PgConnection) -> Result<bool, Problem> {
        let _one_at_a_time = self.refreshing.lock().await;
        let since = sqlx::query_scalar!("select kept_since from settings").fetch_one(&mut *connection).await?;
        let (mut fold, mut bytes) = {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            if kept.since != Some(since) {
                *kept = Kept { since: Some(since), ..Kept::default() };
            }
            (kept.fold, kept.bytes)
        };
        let mut changed = Vec::new();
        let mut rows = sqlx::query_file!("queries/user_sets.sql", fold).fetch(connection);
        while bytes <= MOST_KEPT_BYTES
            && let Some(row) = rows.try_next().await?
        {
            let (first_at, last_at, users) = (row.first_at, row.last_at, deserialize(&row.users)?);
            bytes += row.users.len();
            fold = row.fold;
            changed.push(((row.day, row.cell_id), Set { first_at, last_at, users, bytes: row.users.len() }));
        }
        // a fold is in here whole or not at all
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if bytes > MOST_KEPT_BYTES {
            kept.days.clear();
            kept.bytes = bytes;
            return Ok(false);
        }
        for (place, set) in changed {
            kept.bytes += set.bytes;
            kept.bytes -= kept.days.insert(place, set).map_or(0, |before| before.bytes);
        }
        kept.fold = fold;
        Ok(true)
    }
}

impl Kept {
    /// The users of each key; none when the range holds a part of a day.
    fn unions(&self, picked: &Picked) -> Option<Vec<RoaringBitmap>> {
        let mut sets: Vec<Vec<&RoaringBitmap>> = vec![Vec::new(); picked.keys];
        for (&(_, cell_id), set) in self.days.range(picked.days()) {
            if let Some(&number) = picked.cells.get(&cell_id)
                && picked.takes(set.first_at, set.last_at)?
            {
                sets[number].push(&set.users);
            }
        }
        Some(sets.into_iter().map(MultiOps::union).collect())
    }
}

impl Picked {
    /// The days that may hold a time of the range: a local date is at most two days from that of UTC.
    fn days(&self) -> Range<(NaiveDate, i32)> {
        let from = self.starting.and_then(|time| time.date_naive().checked_sub_days(Days::new(2)));
        let to = self.ending.and_then(|time| time.date_naive().checked_add_days(Days::new(3)));
        (from.unwrap_or(NaiveDate::MIN), i32::MIN)..(to.unwrap_or(NaiveDate::MAX), i32::MIN)
    }

    /// Whether events between these times are in the range: all or none of them; else none.
    fn takes(&self, first_at: DateTime<Utc>, last_at: DateTime<Utc>) -> Option<bool> {
        let after = |time: DateTime<Utc>| self.starting.is_none_or(|starting| time >= starting);
        let before = |time: DateTime<Utc>| self.ending.is_none_or(|ending| time < ending);
        if !after(last_at) || !before(first_at) {
            Some(false)
        } else if after(first_at) && before(last_at) {
            Some(true)
        } else {
            None
        }
    }

    /// As [`Kept::unions`], reading one set after the other.
    async fn unions_unkept(&self, connection: &mut PgConnection) -> Result<Option<Vec<RoaringBitmap>>, Problem> {
        let cells: Vec<i32> = self.cells.keys().copied().collect();
        let mut unions = vec![RoaringBitmap::new(); self.keys];
        let mut rows =
            sqlx::query_file!("queries/user_sets_unkept.sql", &cells, self.starting, self.ending).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            match self.takes(row.first_at, row.last_at) {
                Some(true) => unions[self.cells[&row.cell_id]] |= deserialize(&row.users)?,
                Some(false) => {}
                None => return Ok(None),
            }
        }
        Ok(Some(unions))
    }
}

fn deserialize(users: &[u8]) -> Result<RoaringBitmap, Problem> {
    RoaringBitmap::deserialize_from(users).context("a set of users in cell_days is damaged").map_err(Problem::Internal)
}
