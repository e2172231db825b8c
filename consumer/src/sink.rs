//! PostgreSQL's half of the consumer; the only file here that knows SQL.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use hashbrown::{HashMap, HashSet};
use rust_decimal::Decimal;
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{Connection, PgPool};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::Working;
use crate::batch::{Batch, COLUMNS, Cell, Place};
use crate::rows::{Rows, Way};

/// The channel on which PostgreSQL tells listeners that a batch has been stored, as
/// `{"stored_at": time, "events": number}`. Analytics listens to it.
const CHANNEL: &str = "events_stored";

/// The columns of `event_deltas`, but the number that it gives itself.
const DELTA_COLUMNS: &[&str] = &["cell_id", "events", "first_at", "last_at", "times", "amounts", "user_ids"];

/// An event stored later than this after it occurred is late.
const LATE: TimeDelta = TimeDelta::seconds(60);

/// What the source asks of the sink.
pub(crate) enum Command {
    /// Say from where to read these partitions; one that was never read begins at the offset given.
    Position { cluster_id: String, partitions: Vec<(i32, i64)> },
    /// Store this.
    Store { cluster_id: String, batch: Box<Batch> },
}

/// What became of a command; one each, in order.
pub(crate) enum Outcome {
    /// The next offset of each partition asked for.
    Positioned(Vec<(i32, i64)>),
    /// The batch is stored; the next offset of each of its partitions.
    Stored(Vec<(i32, i64)>),
    /// Another consumer has moved a partition's offset: nothing was stored.
    Fenced,
    /// PostgreSQL refuses this one message, for this reason: nothing was stored.
    Refused(Place, String),
    /// These imports have been deleted: nothing was stored, and nothing of them may be.
    Deleted(Vec<Uuid>),
    /// The consumer was told to stop while PostgreSQL was away: nothing was stored.
    GivenUp,
}

/// Writes batches, one after the other.
pub(crate) struct Sink {
    pool: PgPool,
    topic: String,
    /// Ids of the cells met so far.
    cell_ids: HashMap<Cell, i32>,
    /// Whether PostgreSQL is asked first which events of a batch it has: once a batch held some, until
    /// one holds none. Else the rows are written as if all were new, and the key tells if one is not.
    expect_repeats: bool,
    /// How rows are written: by COPY after an error in the data, because only COPY tells the row.
    way: Way,
    /// The rows of the batch that were written last, in their order.
    written: Vec<u32>,
    working: Working,
}

impl Sink {
    pub(crate) fn new(pool: PgPool, topic: String, working: Working) -> Self {
        Self {
            pool,
            topic,
            cell_ids: HashMap::new(),
            expect_repeats: false,
            way: Way::Quickest,
            written: Vec::new(),
            working,
        }
    }

    /// Carries out commands until there will be none. A command is tried until it has an outcome, or
    /// `token` is cancelled and PostgreSQL is away. Batches that are done with come back by `spent`, empty.
    pub(crate) async fn run(
        mut self,
        mut commands: Receiver<Command>,
        outcomes: Sender<Outcome>,
        spent: Sender<Box<Batch>>,
        token: CancellationToken,
    ) {
        while let Some(command) = commands.recv().await {
            let outcome = self.carry_out(&command, &token).await;
            if let Command::Store { mut batch, .. } = command {
                batch.clear();
                // a source that has ended needs none
                let _ = spent.send(batch);
            }
            if outcomes.send(outcome).is_err() {
                break;
            }
        }
    }

    async fn carry_out(&mut self, command: &Command, token: &CancellationToken) -> Outcome {
        let mut pause = Duration::from_millis(50);
        let mut failures = 0_u32;
        loop {
            let attempt = match command {
                Command::Position { cluster_id, partitions } => self.position(cluster_id, partitions).await,
                Command::Store { cluster_id, batch } => self.store(cluster_id, batch).await,
            };
            let error = match attempt {
                Ok(outcome) => {
                    self.way = Way::Quickest;
                    if failures > 0 {
                        info!(failures, "storing again");
                        self.working.set(Ok(()));
                    }
                    return outcome;
                }
                Err(error) => error,
            };
            if let Command::Store { batch, .. } = command
                && is_of_the_data(&error)
            {
                if let Some(place) = culprit(&error, batch, &self.written) {
                    return Outcome::Refused(place, format!("PostgreSQL refuses it: {error}"));
                }
                self.way = Way::Copy;
            }
            if is_conflict(&error) {
                debug!(%error, "another transaction was in the way, trying again");
            } else {
                failures += 1;
                self.working.set(Err(crate::trouble(&error)));
                let retry_ms = pause.as_millis() as u64;
                if migrations::is_disk_full(&error) {
                    warn!(%error, retry_ms, "PostgreSQL's disk is full: make room where its data is; trying again");
                } else {
                    warn!(%error, retry_ms, "cannot write to PostgreSQL, trying again");
                }
            }
            if token.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Outcome::GivenUp;
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn position(&self, cluster_id: &str, partitions: &[(i32, i64)]) -> sqlx::Result<Outcome> {
        let (numbers, lows): (Vec<i32>, Vec<i64>) = partitions.iter().copied().unzip();
        let mut connection = self.pool.acquire().await?;
        sqlx::query!(
            "insert into consumer_offsets (cluster_id, topic, partition, next_offset)
             select $1::text, $2::text, partition, low
             from unnest($3::int[], $4::bigint[]) as p(partition, low)
             on conflict (cluster_id, topic, partition) do nothing",
            cluster_id,
            self.topic,
            &numbers,
            &lows
        )
        .execute(&mut *connection)
        .await?;
        let rows = sqlx::query!(
            "select partition, next_offset from consumer_offsets
             where cluster_id = $1::text and topic = $2::text and partition = any($3::int[])",
            cluster_id,
            self.topic,
            &numbers
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(Outcome::Positioned(rows.into_iter().map(|row| (row.partition, row.next_offset)).collect()))
    }

    async fn store(&mut self, cluster_id: &str, batch: &Batch) -> sqlx::Result<Outcome> {
        let mut connection = self.pool.acquire().await?;
        let cells = self.resolve_cells(&mut connection, batch).await?;
        let mut known = if self.expect_repeats { known_events(&mut connection, batch).await? } else { HashSet::new() };
        loop {
            match self.transact(&mut connection, cluster_id, batch, &cells, &known).await {
                Err(error) if is_repeat(&error) => {
                    debug!("the batch holds events that are stored already");
                    self.expect_repeats = true;
                    let found = known_events(&mut connection, batch).await?;
                    if found.len() <= known.len() {
                        return Err(error);
                    }
                    known = found;
                }
                result => return result,
            }
        }
    }

    /// The transaction. Whoever leaves it early has rolled it back.
    async fn transact(
        &mut self,
        connection: &mut PgConnection,
        cluster_id: &str,
        batch: &Batch,
        cells: &[i32],
        known: &HashSet<Uuid>,
    ) -> sqlx::Result<Outcome> {
        let started = Instant::now();
        let mut transaction = connection.begin().await?;
        let partitions: Vec<i32> = batch.spans.iter().map(|span| span.partition).collect();
        let expected: Vec<i64> = batch.spans.iter().map(|span| span.expected).collect();
        let fence = sqlx::query!(
            r#"with held as (
                   select from consumer_offsets o
                   join unnest($3::int[], $4::bigint[]) as b(partition, expected)
                       on o.partition = b.partition and o.next_offset = b.expected
                   where o.cluster_id = $1::text and o.topic = $2::text
                   for update of o
               )
               select count(*) as "held!", now() as "now!" from held"#,
            cluster_id,
            self.topic,
            &partitions,
            &expected
        )
        .fetch_one(&mut *transaction)
        .await?;
        if fence.held != batch.spans.len() as i64 {
            warn!(?partitions, "fenced out by another consumer; reading on from where it stands");
            return Ok(Outcome::Fenced);
        }
        let deleted = deleted_imports(&mut transaction, batch).await?;
        if !deleted.is_empty() {
            return Ok(Outcome::Deleted(deleted));
        }

        self.written = batch.new_rows(known);
        batch.rows.write(&mut transaction, "events", COLUMNS, &self.written, self.way).await?;
        let tally = Tally::of(batch, fence.now, cells, known);
        tally.append_deltas(&mut transaction).await?;
        keep_rejected(&mut transaction, &self.topic, batch).await?;
        let stored = tally.total.stored;
        tally.move_offsets(&mut transaction, cluster_id, &self.topic, batch, fence.now).await?;
        transaction.commit().await?;

        self.expect_repeats &= !known.is_empty();
        debug!(
            stored,
            messages = batch.messages(),
            elapsed_ms = started.elapsed().as_millis() as u64,
            "stored a batch"
        );
        Ok(Outcome::Stored(batch.spans.iter().map(|span| (span.partition, span.next)).collect()))
    }

    /// The id of each cell of the batch. New cells are committed at once: no batch waits for
    /// another's transaction to learn its ids, and an unused cell does no harm.
    async fn resolve_cells(&mut self, connection: &mut PgConnection, batch: &Batch) -> sqlx::Result<Vec<i32>> {
        let mut ids = vec![0; batch.cells().len()];
        for (cell, &index) in batch.cells() {
            ids[index as usize] = match self.cell_ids.get(cell) {
                Some(&id) => id,
                None => {
                    let id = cell_id(connection, cell).await?;
                    self.cell_ids.insert(cell.clone(), id);
                    id
                }
            };
        }
        Ok(ids)
    }
}

/// The imports of the batch that have been deleted. Asked by itself once the partitions' rows are locked:
/// what the lock has waited for is then seen.
async fn deleted_imports(connection: &mut PgConnection, batch: &Batch) -> sqlx::Result<Vec<Uuid>> {
    if batch.imports.is_empty() {
        return Ok(Vec::new());
    }
    let imports: Vec<Uuid> = batch.imports.iter().copied().collect();
    sqlx::query_scalar!("select import_id from deleted_imports where import_id = any($1::uuid[])", &imports)
        .fetch_all(connection)
        .await
}

async fn cell_id(connection: &mut PgConnection, cell: &Cell) -> sqlx::Result<i32> {
    let product = cell.product.as_deref();
    let currency = cell.currency.as_deref();
    sqlx::query!(
        "insert into cells (event_type, product, site_version, source, currency)
         values ($1::text, $2::text, $3::text, $4::text, $5::text)
         on conflict do nothing",
        cell.event_type,
        product,
        cell.site_version,
        cell.source,
        currency
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        "select cell_id from cells
         where md5(quote_nullable(event_type) || quote_nullable(product) || quote_nullable(site_version)
                 || quote_nullable(source) || quote_nullable(currency))
             = md5(quote_nullable($1::text) || quote_nullable($2::text) || quote_nullable($3::text)
                 || quote_nullable($4::text) || quote_nullable($5::text))",
        cell.event_type,
        product,
        cell.site_version,
        cell.source,
        currency
    )
    .fetch_one(connection)
    .await
}

/// The events of the batch that are stored already.
async fn known_events(connection: &mut PgConnection, batch: &Batch) -> sqlx::Result<HashSet<Uuid>> {
    let mut ids: Vec<Uuid> = batch.facts.iter().map(|fact| fact.event_id).collect();
    ids.sort_unstable();
    // by arrays: a row each would cost more than finding them does
    let known = sqlx::query_scalar!(
        r#"select coalesce(array_agg(event_id), '{}') as "known!" from events where event_id = any($1::uuid[])"#,
        &ids
    )
    .fetch_one(connection)
    .await?;
    Ok(known.into_iter().collect())
}

/// What became of messages.
#[derive(Clone, Copy, Default)]
struct Count {
    stored: i64,
    duplicate: i64,
    rejected: i64,
    /// Of imports that have been deleted.
    dropped: i64,
    late: i64,
}

/// What one cell gains: an element an event.
#[derive(Default)]
struct Gain<'a> {
    times: Vec<DateTime<Utc>>,
    /// Empty where the cell has no currency.
    amounts: Vec<Decimal>,
    user_ids: Vec<&'a str>,
}

/// What a batch adds to the kept figures.
struct Tally<'a> {
    total: Count,
    partitions: HashMap<i32, Count>,
    imports: HashMap<Uuid, Count>,
    /// By the cell's id in the database.
    cells: HashMap<i32, Gain<'a>>,
}

impl<'a> Tally<'a> {
    /// Counts the batch as stored at `now`, all but those of its rows that were `known`.
    fn of(batch: &'a Batch, now: DateTime<Utc>, cell_ids: &[i32], known: &HashSet<Uuid>) -> Self {
        let mut tally = Self {
            total: Count::default(),
            partitions: HashMap::new(),
            imports: HashMap::new(),
            cells: HashMap::new(),
        };
        for fact in &batch.facts {
            if known.contains(&fact.event_id) {
                tally.count(fact.import_id, fact.partition, |count| count.duplicate += 1);
                continue;
            }
            let late = fact.import_id.is_none() && now - fact.occurred_at > LATE;
            tally.count(fact.import_id, fact.partition, |count| {
                count.stored += 1;
                count.late += i64::from(late);
            });
            let gain = tally.cells.entry(cell_ids[fact.cell as usize]).or_default();
            gain.times.push(fact.occurred_at);
            gain.amounts.extend(fact.revenue);
            gain.user_ids.push(batch.user_id(fact));
        }
        for &(import_id, partition) in &batch.repeats {
            tally.count(import_id, partition, |count| count.duplicate += 1);
        }
        for rejected in &batch.rejected {
            tally.count(rejected.rejection.import_id, rejected.partition, |count| count.rejected += 1);
        }
        for &partition in &batch.dropped {
            tally.count(None, partition, |count| count.dropped += 1);
        }
        tally
    }

    fn count(&mut self, import_id: Option<Uuid>, partition: i32, add: impl Fn(&mut Count)) {
        add(&mut self.total);
        add(self.partitions.entry(partition).or_default());
        if let Some(import_id) = import_id {
            add(self.imports.entry(import_id).or_default());
        }
    }

    /// Appends a row a cell, and a row an import.
    async fn append_deltas(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if !self.cells.is_empty() {
            let mut rows = Rows::default();
            for (cell_id, gain) in &self.cells {
                rows.begin();
                rows.put(cell_id);
                rows.put(&(gain.times.len() as i32));
                rows.put_option(gain.times.iter().min());
                rows.put_option(gain.times.iter().max());
                rows.put(&gain.times);
                rows.put_option(Some(&gain.amounts).filter(|amounts| !amounts.is_empty()));
                rows.put(&gain.user_ids);
            }
            rows.write_all(connection, "event_deltas", DELTA_COLUMNS).await?;
        }
        if !self.imports.is_empty() {
            let ids: Vec<Uuid> = self.imports.keys().copied().collect();
            let column = |value: fn(&Count) -> i64| self.imports.values().map(value).collect::<Vec<_>>();
            sqlx::query!(
                "insert into import_deltas (import_id, stored, duplicate, rejected)
                 select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])",
                &ids,
                &column(|count| count.stored),
                &column(|count| count.duplicate),
                &column(|count| count.rejected)
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    /// Moves the offsets past the batch and tells the listeners, when all else has been written.
    async fn move_offsets(
        self,
        connection: &mut PgConnection,
        cluster_id: &str,
        topic: &str,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        let partitions: Vec<i32> = batch.spans.iter().map(|span| span.partition).collect();
        let next: Vec<i64> = batch.spans.iter().map(|span| span.next).collect();
        let column = |value: fn(Count) -> i64| {
            partitions
                .iter()
                .map(|partition| value(self.partitions.get(partition).copied().unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        sqlx::query!(
            "update consumer_offsets o
             set next_offset = b.next, stored = o.stored + b.stored, duplicate = o.duplicate + b.duplicate,
                 rejected = o.rejected + b.rejected, dropped = o.dropped + b.dropped, late = o.late + b.late,
                 updated_at = now()
             from unnest($3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
                 as b(partition, next, stored, duplicate, rejected, dropped, late)
             where o.cluster_id = $1::text and o.topic = $2::text and o.partition = b.partition",
            cluster_id,
            topic,
            &partitions,
            &next,
            &column(|count| count.stored),
            &column(|count| count.duplicate),
            &column(|count| count.rejected),
            &column(|count| count.dropped),
            &column(|count| count.late)
        )
        .execute(&mut *connection)
        .await?;
        tell(connection, now, self.total.stored).await
    }
}

/// Tells the listeners, once the transaction has ended, that so many events were stored in it.
pub(crate) async fn tell(connection: &mut PgConnection, now: DateTime<Utc>, events: i64) -> sqlx::Result<()> {
    let notice = serde_json::json!({ "stored_at": now, "events": events }).to_string();
    sqlx::query!(r#"select pg_notify($1::text, $2::text) as "done""#, CHANNEL, notice).execute(connection).await?;
    Ok(())
}

async fn keep_rejected(connection: &mut PgConnection, topic: &str, batch: &Batch) -> sqlx::Result<()> {
    if batch.rejected.is_empty() {
        return Ok(());
    }
    let rejected = &batch.rejected;
    let sources: Vec<Option<&str>> = rejected.iter().map(|r| r.rejection.source.as_deref()).collect();
    let partitions: Vec<i32> = rejected.iter().map(|r| r.partition).collect();
    let offsets: Vec<i64> = rejected.iter().map(|r| r.offset).collect();
    let imports: Vec<Option<Uuid>> = rejected.iter().map(|r| r.rejection.import_id).collect();
    let event_ids: Vec<Option<Uuid>> = rejected.iter().map(|r| r.rejection.event_id).collect();
    let reasons: Vec<&str> = rejected.iter().map(|r| r.rejection.reason.as_str()).collect();
    let payloads: Vec<&[u8]> = rejected.iter().map(|r| r.payload.as_slice()).collect();
    sqlx::query(
        r#"insert into rejected_events (source, topic, partition, "offset", import_id, event_id, reason, payload)
           select source, $1::text, partition, "offset", import_id, event_id, reason, payload
           from unnest($2::text[], $3::int[], $4::bigint[], $5::uuid[], $6::uuid[], $7::text[], $8::bytea[])
               as r(source, partition, "offset", import_id, event_id, reason, payload)"#,
    )
    .bind(topic)
    .bind(sources)
    .bind(partitions)
    .bind(offsets)
    .bind(imports)
    .bind(event_ids)
    .bind(reasons)
    .bind(payloads)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the error says that an event is stored already.
fn is_repeat(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::UniqueViolation)
}

/// Whether the error is a deadlock or a serialization failure: to be tried again at once.
fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

/// Whether PostgreSQL cannot take something in the rows: an error in the data (class 22) or past a
/// limit of its own (class 54). Decoding should have kept such a message out; if one comes all the
/// same it must not stop the others for ever.
fn is_of_the_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
}

/// The message that an error in the data is of, which PostgreSQL tells for a line of a COPY.
fn culprit(error: &sqlx::Error, batch: &Batch, written: &[u32]) -> Option<Place> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    // "COPY events, line 17, column price"
    let line = error.r#where()?.split_once(", line ")?.1.split([',', ':', ' ']).next()?.parse::<usize>().ok()?;
    let row = *written.get(line.checked_sub(1)?)?;
    let fact = batch.facts.get(row as usize)?;
    Some(Place { partition: fact.partition, offset: fact.offset })
}
