//! `event_chunks`: the folded events in columns, by days of the shop's zone.

use sqlx::postgres::PgConnection;
use sqlx::types::BigDecimal;

use crate::fold::{Arrivals, Visit};
use crate::rows::Rows;

/// Events in a row at the most: what a question of an hour reads beside its own is bounded by this.
const MOST_EVENTS: usize = 4_096;

const COLUMNS: &[&str] = &["day", "first_at", "last_at", "events", "times", "cell_ids", "user_numbers", "amounts"];

/// Appends the events, whose days and users are known.
pub(crate) async fn append(connection: &mut PgConnection, arrivals: &mut Arrivals) -> anyhow::Result<()> {
    arrivals.visits.sort_unstable_by_key(|visit| (visit.day, visit.quarter, visit.micros));
    let mut rows = Rows::default();
    for day in arrivals.visits.chunk_by(|a, b| a.day == b.day) {
        for visits in day.chunks(MOST_EVENTS) {
            encode(visits, &arrivals.amounts, &mut rows);
        }
    }
    rows.write_all(connection, "event_chunks", COLUMNS).await?;
    Ok(())
}

/// Appends a row of [`COLUMNS`] of at least one event, in the order of their times.
fn encode(visits: &[Visit], amounts: &[BigDecimal], rows: &mut Rows) {
    let amounts: Vec<Option<&BigDecimal>> =
        visits.iter().map(|visit| visit.amount.map(|amount| &amounts[amount as usize])).collect();
    rows.begin();
    rows.put(&visits[0].day);
    rows.put(&visits[0].occurred_at());
    rows.put(&visits[visits.len() - 1].occurred_at());
    rows.put(&(visits.len() as i32));
    rows.put(&visits.iter().map(Visit::occurred_at).collect::<Vec<_>>());
    rows.put(&visits.iter().map(|visit| visit.cell_id).collect::<Vec<_>>());
    rows.put(&visits.iter().map(|visit| visit.user as i32).collect::<Vec<_>>());
    rows.put_option(Some(&amounts).filter(|amounts| amounts.iter().any(Option::is_some)));
}
