-- Kept figures, in the form that a bulk load can afford. Replaces the tables of 0003, where a load that
-- is sorted by user touched each of some 400,000 quarter rows again and again.
--
-- A row a cell and a day of the shop's zone holds all that is kept of it: its sums, the same by
-- quarters of an hour as running totals, and the set of its users. Any range of whole quarters in any
-- zone is then a difference of two elements a row, and distinct users of any days and cells are the
-- union of their sets.
--
-- As before, a batch only appends what it stored, here an element an event, and in the background
-- that is folded into the rows (consumer/src/fold.rs). Whoever reads sums, reads both; sets of users
-- lag until the fold, by a second under live traffic.

drop view daily_counts;
drop view day_cells;
drop view quarter_cells;
drop view delta_cells;
drop table count_deltas;
drop table quarter_counts;
drop table day_counts;

alter table settings
    -- the zone that the kept figures are of; null or another than timezone when they must be built anew
    -- from the rows, as the consumer does at its start
    add column kept_timezone text,
    add column kept_since timestamptz not null default now(),
    -- users that have a number in user_numbers; the next one gets this number
    add column users bigint not null default 0;
update settings set kept_timezone = timezone where not exists (select from events);

-- What one batch stored in one cell: parallel arrays, an element an event.
create table event_deltas (
    delta_id bigint generated always as identity primary key,
    cell_id integer not null,
    events integer not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    times timestamptz[] not null,
    -- null where the cell has no currency
    amounts numeric[],
    -- 16 bytes an event: user_key of its user
    users bytea not null
);

-- compressing what lives for seconds is not worth the time
alter table event_deltas
    alter column times set storage external,
    alter column amounts set storage external,
    alter column users set storage external;

-- By what users are told apart where there is no room for their ids: as much of SHA-256 as a UUID holds.
create function user_key(user_id text) returns bytea
    language sql immutable parallel safe
    return substring(sha256(convert_to(user_id, 'UTF8')) for 16);

-- Users by number, in the order in which they were first folded: sets of small numbers are small.
create table user_numbers (
    user_key uuid primary key,
    user_number bigint not null
);

create table cell_days (
    day date not null,
    cell_id integer not null references cells,
    events bigint not null,
    -- null where the cell has no currency
    amount numeric,
    first_at timestamptz not null,
    last_at timestamptz not null,
    -- The arrays begin with this quarter (numbered from the epoch) and end with the day's last one that
    -- has events.
    first_quarter integer not null,
    -- Element n: how many events the day had before quarter first_quarter + n, what they brought in.
    events_to integer[] not null,
    amounts_to numeric[],
    -- Element n: the first and the last event of quarter first_quarter + n - 1, in microseconds from its
    -- start; null without events.
    firsts integer[] not null,
    lasts integer[] not null,
    -- a 32-bit Roaring bitmap of user numbers, in the portable format
    users bytea not null,
    -- the fold that wrote the row; grows in the order of commits
    fold bigint not null,
    primary key (day, cell_id)
) with (autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_scale_factor = 0.5);

create index cell_days_fold on cell_days (fold);
create sequence folds;

-- How many events the row's day had before a quarter, and what they brought in.
create function events_before(c cell_days, quarter integer) returns bigint
    language sql immutable parallel safe
    return case
        when quarter <= c.first_quarter then 0
        when quarter >= c.first_quarter + cardinality(c.events_to) then c.events
        else c.events_to[quarter - c.first_quarter]
    end;

create function amount_before(c cell_days, quarter integer) returns numeric
    language sql immutable parallel safe
    return case
        when quarter <= c.first_quarter then 0 * c.amount
        when quarter >= c.first_quarter + cardinality(c.events_to) then c.amount
        else c.amounts_to[quarter - c.first_quarter]
    end;

-- The first event of the row's day from a quarter on; null where there is none.
create function first_from(c cell_days, quarter integer) returns timestamptz
    language sql immutable parallel safe
    return case
        when quarter <= c.first_quarter then c.first_at
        else (
            select min(quarter_start(c.first_quarter + n - 1) + c.firsts[n] * interval '1 microsecond')
            from generate_subscripts(c.firsts, 1) as n
            where n > quarter - c.first_quarter
        )
    end;

-- The last event of the row's day before a quarter; null where there is none.
create function last_before(c cell_days, quarter integer) returns timestamptz
    language sql immutable parallel safe
    return case
        when quarter >= c.first_quarter + cardinality(c.events_to) then c.last_at
        else (
            select max(quarter_start(c.first_quarter + n - 1) + c.lasts[n] * interval '1 microsecond')
            from generate_subscripts(c.lasts, 1) as n
            where n <= quarter - c.first_quarter
        )
    end;

-- The quarter that a time is in.
create function quarter_of(moment timestamptz) returns integer
    language sql immutable parallel safe
    return floor(date_part('epoch', moment at time zone 'UTC') / 900)::integer;

-- When a day of a zone begins: at midnight, unless the clocks there skipped it or showed it twice. Then
-- it is looked for among the quarters around it; a day that the zone never had begins with the next one.
create function day_start(day date, tz text) returns timestamptz
    language sql immutable parallel safe
    return case
        when (day::timestamp at time zone tz) at time zone tz = day::timestamp
            and ((day::timestamp at time zone tz - interval '15 minutes') at time zone tz)::date < day
            then day::timestamp at time zone tz
        else (
            select min(quarter)
            from generate_series(-96, 96) as n, quarter_start(n + (extract(epoch from day) / 900)::integer) as quarter
            where (quarter at time zone tz)::date >= day
        )
    end;

-- What is appended and not folded, a row an event.
create view delta_events as
select d.cell_id, d.first_at as delta_first_at, d.last_at as delta_last_at, u.occurred_at, u.amount
from event_deltas d, unnest(d.times, d.amounts) as u(occurred_at, amount);

-- Sum these: a cell may come several times.
create view quarter_cells as
select c.cell_id, c.first_quarter + n - 1 as quarter,
    (c.events_to[n] - coalesce(c.events_to[n - 1], 0))::bigint as events,
    c.amounts_to[n] - coalesce(c.amounts_to[n - 1], 0) as amount,
    quarter_start(c.first_quarter + n - 1) + c.firsts[n] * interval '1 microsecond' as first_at,
    quarter_start(c.first_quarter + n - 1) + c.lasts[n] * interval '1 microsecond' as last_at
from cell_days c, generate_subscripts(c.events_to, 1) as n
where c.firsts[n] is not null
union all
select cell_id, quarter_of(occurred_at), 1, amount, occurred_at, occurred_at from delta_events;

create view day_cells as
select cell_id, day, events, amount, first_at, last_at from cell_days
union all
select cell_id, (occurred_at at time zone (select shop_timezone()))::date, 1, amount, occurred_at, occurred_at
from delta_events;

-- Events and revenue a day of the shop's zone. Events without revenue stand in rows of their own,
-- with no currency and no amount.
--   select day, sum(events) from daily_counts where event_type = 'order' group by day order by day;
create view daily_counts as
select c.day, cells.event_type, cells.product, cells.site_version, cells.source,
    sum(c.events)::bigint as events, cells.currency, sum(c.amount) as amount
from day_cells c join cells using (cell_id)
group by c.day, cells.event_type, cells.product, cells.site_version, cells.source, cells.currency;
