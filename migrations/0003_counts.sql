-- Figures that can be added up, kept beside the rows in the transactions that store them.
--
-- A cell is what events are counted by; what a cell's events brought in is in one currency. A quarter
-- is a quarter of an hour, numbered from the epoch: every zone's offset from UTC is a whole number of
-- quarters (since 2000, when our first event may have happened), so the days and hours of any zone
-- are made of whole quarters. (St. John's, Goose Bay and Moncton set their clocks back at one minute past
-- midnight in some autumns before 2011: there one quarter of the year is of two days, and counted to one.)
--
-- The consumer only appends deltas: upserting each quarter that a batch touches would cost more than
-- its rows do, and consumers would wait for each other's counts. In the background the deltas are
-- folded into the counts, and whoever reads, reads both through the views below: the sum is the same
-- before and after a fold.

create table cells (
    cell_id integer generated always as identity primary key,
    event_type text not null,
    product text,
    site_version text,
    source text not null,
    -- null for events that are no revenue
    currency text
);

-- by hash, because the texts may together be longer than an index takes
create unique index cells_identity on cells (md5(
    quote_nullable(event_type) || quote_nullable(product) || quote_nullable(site_version)
        || quote_nullable(source) || quote_nullable(currency)
));

-- The cells that pass every filter, as picked_events takes them; of dimensions that cells do not have
-- it knows nothing.
create function picked_cells(filters jsonb) returns setof cells
    language sql stable parallel safe
begin atomic
    select * from cells c
    where (filters -> 'event_type' is null or filters -> 'event_type' ? c.event_type)
      and (filters -> 'product' is null or filters -> 'product' ? c.product)
      and (filters -> 'site_version' is null or filters -> 'site_version' ? c.site_version)
      and (filters -> 'source' is null or filters -> 'source' ? c.source);
end;

-- What one batch adds to one cell: parallel arrays, an element a quarter. One row holds what would
-- be thousands of rows of one quarter each.
create table count_deltas (
    cell_id integer not null,
    quarters integer[] not null,
    events integer[] not null,
    -- null elements where nothing was revenue
    amounts numeric[] not null,
    firsts timestamptz[] not null,
    lasts timestamptz[] not null
);

-- compressing what lives for a second is not worth the time
alter table count_deltas
    alter column quarters set storage external,
    alter column events set storage external,
    alter column amounts set storage external,
    alter column firsts set storage external,
    alter column lasts set storage external;

create table quarter_counts (
    cell_id integer not null references cells,
    quarter integer not null,
    events bigint not null,
    amount numeric,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (quarter, cell_id)
) with (fillfactor = 80);

-- The same by calendar days of the shop's zone, for the question asked most. Rebuilt from the
-- quarters when the shop's zone changes.
create table day_counts (
    cell_id integer not null references cells,
    day date not null,
    events bigint not null,
    amount numeric,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (day, cell_id)
) with (fillfactor = 80);

create function quarter_start(quarter integer) returns timestamptz
    language sql immutable parallel safe
    return to_timestamp(quarter::bigint * 900);

create view delta_cells as
select d.cell_id, u.quarter, u.events::bigint as events, u.amount, u.first_at, u.last_at
from count_deltas d,
    unnest(d.quarters, d.events, d.amounts, d.firsts, d.lasts) as u(quarter, events, amount, first_at, last_at);

-- Sum these: a cell may come several times.
create view quarter_cells as
select cell_id, quarter, events, amount, first_at, last_at from quarter_counts
union all
select cell_id, quarter, events, amount, first_at, last_at from delta_cells;

create view day_cells as
select cell_id, day, events, amount, first_at, last_at from day_counts
union all
select cell_id, (quarter_start(quarter) at time zone (select shop_timezone()))::date, events, amount, first_at, last_at from delta_cells;

-- Events and revenue a day of the shop's zone. Events without revenue stand in rows of their own,
-- with no currency and no amount.
--   select day, sum(events) from daily_counts where event_type = 'order' group by day order by day;
create view daily_counts as
select c.day, cells.event_type, cells.product, cells.site_version, cells.source,
    sum(c.events)::bigint as events, cells.currency, sum(c.amount) as amount
from day_cells c join cells using (cell_id)
group by c.day, cells.event_type, cells.product, cells.site_version, cells.source, cells.currency;
