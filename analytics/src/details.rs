//! Breakdowns by what only events with details have, such as a brand: those are few beside millions of banners, so they
//! are counted from their rows, and all others are the kept counts' rest.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use crate::figures::{Amount, Counted, Known};
use crate::problem::Problem;
use crate::question::is_detail;
use crate::span::{Source, Span};
use crate::users::Users;

/// The rows of a breakdown of `span`, which is of all events of its range together, with their users; none where it has
/// to be counted from the rows.
pub(crate) async fn breakdown(
    span: &Span,
    by: &'static str,
    limit: i64,
    known: &Known,
    connection: &mut PgConnection,
) -> Result<Option<(Vec<Counted>, Users)>, Problem> {
    if !is_detail(by) || !matches!(span.source, Source::Days | Source::Quarters) {
        return Ok(None);
    }
    let rows = sqlx::query_file!(
        "queries/details/breakdown.sql",
        span.source.as_str(),
        by,
        span.starting,
        span.ending,
        span.from_day,
        span.to_day,
        span.filters,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let users = sqlx::query_file!("queries/details/users.sql", by, span.starting, span.ending, span.filters)
        .fetch_all(&mut *connection)
        .await?;
    let mut counts: HashMap<Option<String>, i64> = HashMap::new();
    let mut numbered = Vec::new();
    for row in users {
        numbered.extend(row.numbers.unwrap_or_default());
        counts.insert(row.value, row.users);
    }
    if let Some(rest) = rows.iter().find(|row| row.value.is_none()) {
        let cells = rest.cells.iter().flatten().map(|cell| (*cell, ()));
        let unions = known.sets.unions(span, cells, connection).await?;
        // which users of a cell came without details its set does not tell
        let Some(unions) = unions.filter(|_| rest.is_mixed != Some(true)) else { return Ok(None) };
        let mut set: RoaringBitmap = numbered.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
        // who is not numbered yet is in no set
        let unnumbered = counts.get(&None).map_or(0, |users| users - set.len() as i64);
        for (_, users) in &unions {
            set |= users;
        }
        counts.insert(None, set.len() as i64 + unnumbered);
    }
    let counted = rows.into_iter().map(|row| Counted {
        value: row.value,
        banner_show: row.banner_show,
        banner_click: row.banner_click,
        page_view: row.page_view,
        product_view: row.product_view,
        cart: row.cart,
        cart_remove: row.cart_remove,
        order: row.order,
        amount: row.amount,
    });
    Ok(Some((counted.collect(), Users::new(counts, None))))
}
