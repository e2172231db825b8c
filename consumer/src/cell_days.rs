//! `cell_days`: what is kept of a cell and a day of the shop's zone. Its sums, the same by quarters of an
//! hour as running totals, and the set of its users.

use anyhow::Context;
use chrono::{DateTime, NaiveDate};
use futures_util::TryStreamExt;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;

use crate::fold::{Arrivals, QUARTER_MICROS, Visit, decimals};
use crate::rows::Rows;

/// So many rows are rewritten at a time: a few megabytes.
const ROWS_AT_ONCE: usize = 500;

const COLUMNS: &[&str] = &[
    "day",
    "cell_id",
    "events",
    "amount",
    "first_at",
    "last_at",
    "first_quarter",
    "events_to",
    "amounts_to",
    "firsts",
    "lasts",
    "users",
    "fold",
];

/// Adds the events to the rows of their cells and days.
pub(crate) async fn add(connection: &mut PgConnection, arrivals: &mut Arrivals) -> anyhow::Result<()> {
    let fold = sqlx::query_scalar!(r#"select nextval('folds') as "fold!""#).fetch_one(&mut *connection).await?;
    arrivals.visits.sort_unstable_by_key(|visit| (visit.day, visit.cell_id, visit.quarter));
    let gains: Vec<&[Visit]> = arrivals.visits.chunk_by(|a, b| (a.day, a.cell_id) == (b.day, b.cell_id)).collect();
    for gains in gains.chunks(ROWS_AT_ONCE) {
        let mut kept = take_rows(connection, gains).await?;
        let mut rows = Rows::default();
        for visits in gains {
            let (day, cell_id) = (visits[0].day, visits[0].cell_id);
            let mut cell_day = kept.remove(&(day, cell_id)).unwrap_or_default();
            cell_day.add(visits, &arrivals.amounts);
            cell_day.encode(day, cell_id, fold, &mut rows);
        }
        rows.write_all(connection, "cell_days", COLUMNS).await?;
    }
    Ok(())
}

/// Takes the rows of these gains out of `cell_days`, as far as there are any.
async fn take_rows(
    connection: &mut PgConnection,
    gains: &[&[Visit]],
) -> anyhow::Result<HashMap<(NaiveDate, i32), CellDay>> {
    let (days, cells): (Vec<NaiveDate>, Vec<i32>) =
        gains.iter().map(|visits| (visits[0].day, visits[0].cell_id)).unzip();
    let mut rows = sqlx::query!(
        "delete from cell_days c
         using unnest($1::date[], $2::int[]) as g(day, cell_id)
         where c.day = g.day and c.cell_id = g.cell_id
         returning c.day, c.cell_id, c.first_quarter, c.events_to, c.amounts_to::text[] as amounts_to,
             c.firsts as \"firsts: Vec<Option<i32>>\", c.lasts as \"lasts: Vec<Option<i32>>\", c.users",
        &days,
        &cells
    )
    .fetch(connection);
    let mut taken = HashMap::with_capacity(gains.len());
    while let Some(row) = rows.try_next().await? {
        let cell_day = CellDay {
            first_quarter: row.first_quarter,
            quarters: quarters(&row.events_to, decimals(row.amounts_to)?, &row.firsts, &row.lasts),
            users: RoaringBitmap::deserialize_from(row.users.as_slice())
                .with_context(|| format!("the users of cell {} on {} in cell_days", row.cell_id, row.day))?,
        };
        taken.insert((row.day, row.cell_id), cell_day);
    }
    Ok(taken)
}

/// What is kept of a cell and a day.
#[derive(Default)]
struct CellDay {
    first_quarter: i32,
    /// From the first to the last that has events.
    quarters: Vec<Quarter>,
    users: RoaringBitmap,
}

/// What is kept of a quarter of an hour.
#[derive(Clone, Default)]
struct Quarter {
    events: i32,
    amount: Option<BigDecimal>,
    /// The first and the last event, in microseconds from the quarter's start.
    ends: Option<(i32, i32)>,
}

/// Takes the running totals of a row apart.
fn quarters(
    events_to: &[i32],
    amounts_to: Vec<BigDecimal>,
    firsts: &[Option<i32>],
    lasts: &[Option<i32>],
) -> Vec<Quarter> {
    let mut events = 0;
    let mut amount = BigDecimal::default();
    let mut amounts_to = amounts_to.into_iter();
    let ends = firsts.iter().zip(lasts).map(|(first, last)| first.zip(*last));
    let quarter = |(&events_to, ends): (&i32, Option<(i32, i32)>)| {
        let gain = amounts_to.next().map(|amount_to| {
            let gain = &amount_to - &amount;
            amount = amount_to;
            gain
        });
        let quarter = Quarter { events: events_to - events, amount: gain, ends };
        events = events_to;
        quarter
    };
    events_to.iter().zip(ends).map(quarter).collect()
}

impl CellDay {
    /// Adds events of this cell and day, sorted by quarter, of which there is at least one.
    fn add(&mut self, visits: &[Visit], amounts: &[BigDecimal]) {
        let (first, last) = (visits[0].quarter, visits[visits.len() - 1].quarter);
        if self.quarters.is_empty() {
            self.first_quarter = first;
        }
        if first < self.first_quarter {
            let earlier = (self.first_quarter - first) as usize;
            self.quarters.splice(..0, std::iter::repeat_n(Quarter::default(), earlier));
            self.first_quarter = first;
        }
        let length = (last - self.first_quarter) as usize + 1;
        if length > self.quarters.len() {
            self.quarters.resize(length, Quarter::default());
        }
        for visit in visits {
            let quarter = &mut self.quarters[(visit.quarter - self.first_quarter) as usize];
            quarter.events += 1;
            let (first, last) = quarter.ends.unwrap_or((visit.micros, visit.micros));
            quarter.ends = Some((first.min(visit.micros), last.max(visit.micros)));
            if let Some(amount) = visit.amount {
                *quarter.amount.get_or_insert_default() += &amounts[amount as usize];
            }
        }
        let mut users: Vec<u32> = visits.iter().map(|visit| visit.user).collect();
        users.sort_unstable();
        self.users |= users.into_iter().collect::<RoaringBitmap>();
    }

    /// Appends the row of [`COLUMNS`].
    fn encode(&self, day: NaiveDate, cell_id: i32, fold: i64, rows: &mut Rows) {
        let mut events = 0;
        let mut amount = BigDecimal::default();
        let mut events_to = Vec::with_capacity(self.quarters.len());
        let mut amounts_to = Vec::new();
        let has_amounts = self.quarters.iter().any(|quarter| quarter.amount.is_some());
        for quarter in &self.quarters {
            events += quarter.events;
            events_to.push(events);
            if has_amounts {
                amount += quarter.amount.as_ref().unwrap_or(&BigDecimal::default());
                amounts_to.push(amount.clone());
            }
        }
        let ends = || {
            self.quarters.iter().enumerate().filter_map(|(n, quarter)| {
                let start = (i64::from(self.first_quarter) + n as i64) * QUARTER_MICROS;
                quarter.ends.map(|(first, last)| (start + i64::from(first), start + i64::from(last)))
            })
        };
        let instant = |micros: Option<i64>| micros.and_then(DateTime::from_timestamp_micros);
        let mut users = Vec::with_capacity(self.users.serialized_size());
        self.users.serialize_into(&mut users).expect("a Vec takes any write");

        rows.begin();
        rows.put(&day);
        rows.put(&cell_id);
        rows.put(&i64::from(events));
        rows.put_option(Some(&amount).filter(|_| has_amounts));
        rows.put_option(instant(ends().next().map(|(first, _)| first)).as_ref());
        rows.put_option(instant(ends().next_back().map(|(_, last)| last)).as_ref());
        rows.put(&self.first_quarter);
        rows.put(&events_to);
        rows.put_option(Some(&amounts_to).filter(|_| has_amounts));
        rows.put(&self.quarters.iter().map(|quarter| quarter.ends.map(|(first, _)| first)).collect::<Vec<_>>());
        rows.put(&self.quarters.iter().map(|quarter| quarter.ends.map(|(_, last)| last)).collect::<Vec<_>>());
        rows.put(&users);
        rows.put(&fold);
    }
}
