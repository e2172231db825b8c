-- Kept sessions, and the events in columns.
--
-- What cannot be summed must be kept in another form: a session is found by its user and its time, and
-- a question about users or about less than a quarter of an hour needs the events themselves, but only
-- few columns of those of some days. Both come from what batches append, in the background
-- (consumer/src/fold.rs): a fold writes the events to event_chunks, and from there they go to the
-- sessions (consumer/src/sessions.rs), under live traffic at once, in a flood when it is over.

alter table settings
    -- a user's events with pauses of at most this are one session
    add column session_gap interval not null default '10 minutes',
    -- the gap that the kept sessions were cut by; null when they must be built anew
    add column kept_gap interval,
    -- the events of chunks up to this one are in the kept sessions
    add column sessions_to bigint not null default 0;

-- All that is kept is built anew from the rows: the consumer does it at its start.
delete from event_deltas;
delete from cell_days;
truncate user_numbers;
update settings set users = 0, kept_timezone = case when not exists (select from events) then timezone end;

-- Whoever counts by users wants their ids too: an array of ids, an element an event, takes the place of
-- their keys.
alter table event_deltas drop column users;
alter table event_deltas add column user_ids text[] not null;
alter table event_deltas alter column user_ids set storage external;

-- Users are numbered as they come, so that numbers of a bulk load lie together as its rows do. Their ids, a
-- row some users: a column of user_numbers, and an index by number, cost a bulk load five times as much.
create table user_ids (
    -- the number of the first one
    first_number bigint primary key,
    user_ids text[] not null
);

create function user_id(user_number bigint) returns text
    language sql stable parallel safe
    return (
        select user_ids[user_number - first_number + 1]
        from user_ids
        where first_number <= user_number
        order by first_number desc
        limit 1
    );

-- As delta_events, with the users.
create view delta_visits as
select d.cell_id, d.first_at as delta_first_at, d.last_at as delta_last_at, u.occurred_at, u.amount, u.user_id
from event_deltas d, unnest(d.times, d.amounts, d.user_ids) as u(occurred_at, amount, user_id);

-- The folded events in columns: a row holds some thousand events of a day of the shop's zone, as parallel
-- arrays in the order of their times. Chunks are only appended, and small ones of a day made into one.
create table event_chunks (
    chunk_id bigint generated always as identity primary key,
    day date not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    events integer not null,
    times timestamptz[] not null,
    cell_ids integer[] not null,
    user_numbers integer[] not null,
    -- null where no event of the chunk brought anything in, as an element is where its event did not
    amounts numeric[]
);

alter table event_chunks
    alter column times set storage external,
    alter column cell_ids set storage external,
    alter column user_numbers set storage external;

create index event_chunks_day on event_chunks (day);
create index event_chunks_small on event_chunks (day) where events < 512;

-- An event a row; the chunk's times are there to be asked for, so that its arrays need not be read.
create view chunk_visits as
select c.chunk_id, c.day, c.first_at, c.last_at, u.occurred_at, u.cell_id, u.user_number, u.amount
from event_chunks c,
    unnest(c.times, c.cell_ids, c.user_numbers, c.amounts) as u(occurred_at, cell_id, user_number, amount);

-- Small chunks of a day become one when there are many; they must be in the kept sessions.
create function merge_small_chunks() returns void
    language sql
begin atomic
    with small as (
        delete from event_chunks c
        using (select day from event_chunks where events < 512 group by day having count(*) > 16) many
        where c.day = many.day and c.events < 512
        returning c.*
    )
    insert into event_chunks (day, first_at, last_at, events, times, cell_ids, user_numbers, amounts)
    select s.day, min(u.occurred_at), max(u.occurred_at), count(*),
        array_agg(u.occurred_at order by u.occurred_at, u.place),
        array_agg(u.cell_id order by u.occurred_at, u.place),
        array_agg(u.user_number order by u.occurred_at, u.place),
        case when count(u.amount) > 0 then array_agg(u.amount order by u.occurred_at, u.place) end
    from small s,
        unnest(s.times, s.cell_ids, s.user_numbers, s.amounts)
            with ordinality as u(occurred_at, cell_id, user_number, amount, place)
    group by s.day;
    update settings set sessions_to = greatest(sessions_to, (select max(chunk_id) from event_chunks));
end;

-- The sessions by settings.kept_gap: closed intervals from the first to the last event.
create table user_sessions (
    user_number bigint not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    events integer not null,
    orders integer not null,
    -- revenue by currency, as in {"USD": "12.50"}; null for none
    amount jsonb,
    primary key (user_number, started_at)
);

-- Written in the order of their starts, some hundred thousand at a time: each block is of a few hours.
create index user_sessions_started_at on user_sessions using brin (started_at)
    with (pages_per_range = 8, autosummarize = on);
-- What the median needs where lengths are no whole seconds; bulk loads have whole ones.
create index user_sessions_length on user_sessions ((ended_at - started_at))
    where date_part('microseconds', ended_at - started_at)::integer % 1000000 <> 0;

-- The sessions that start on a day of the shop's zone.
create table session_days (
    day date primary key,
    sessions bigint not null,
    events bigint not null,
    with_order bigint not null,
    -- no session of the row starts before or after these
    first_start timestamptz not null,
    last_start timestamptz not null,
    -- Parallel arrays: whole seconds of length, ascending; the sessions with it, those of them that are a
    -- fraction of a second longer.
    seconds integer[] not null,
    sessions_of integer[] not null,
    fractional integer[] not null,
    -- the fractions in all
    fraction_micros bigint not null,
    -- their users, as in cell_days
    users bytea not null,
    -- as in cell_days; a row stays when its last session has gone
    fold bigint not null
);

create index session_days_fold on session_days (fold);
