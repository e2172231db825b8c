-- What the database itself must know of the shop, in one row, so that views and psql agree with the
-- services. The consumer sets it at its start from SHOP_TIMEZONE.

create table settings (
    only_row boolean primary key default true check (only_row),
    -- an IANA name; the calendar days of every view and kept figure are days of this zone
    timezone text not null default 'UTC'
);

insert into settings default values;

-- Over many rows write (select shop_timezone()), which PostgreSQL asks once, not once a row.
create function shop_timezone() returns text
    language sql stable parallel safe
    return (select timezone from settings);

-- How far the topic has been stored. The consumer moves next_offset in the very transaction that
-- stores the rows before it, and only from the value it expects: a batch that is delivered again, a
-- crash between commit and acknowledgement, or a second consumer of the same partition changes
-- nothing. Kafka's own committed offsets only follow.
--
-- The counters say what became of the messages before next_offset: messages = stored + duplicate +
-- rejected, and late counts those of the stored that came more than 60 s after they occurred,
-- imports aside.
create table consumer_offsets (
    cluster_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    stored bigint not null default 0,
    duplicate bigint not null default 0,
    rejected bigint not null default 0,
    late bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (cluster_id, topic, partition)
);
