-- The truth: a row an event. Every figure anywhere equals a recount of these rows.
--
-- event_id alone decides identity, and the first stored copy wins, so the key is all the consumer
-- needs to tell a repeat. It is the only index whose leaves are touched at random: a bulk replay is
-- sorted by user, not by time, and each further random index costs it about as much as the rows do.
-- stored_at only grows, so its index is appended to; the block range index on occurred_at costs
-- nothing and serves the live hours, whose blocks are of one time.
--
-- Columns of fixed width come first: they are read without walking over the text before them.
create table events (
    event_id uuid primary key,
    occurred_at timestamptz not null,
    stored_at timestamptz not null default now(),
    "offset" bigint not null,
    partition integer not null,
    quantity integer,
    latitude double precision,
    longitude double precision,
    import_id uuid,
    topic text not null,
    event_type text not null,
    user_id text not null,
    source text not null,
    session_id text,
    page_id text,
    product text,
    site_version text,
    order_id text,
    product_id text,
    product_name text,
    brand text,
    category text,
    price numeric,
    -- an order's amount is the given one, else price × quantity; see revenue()
    amount numeric,
    -- never null where there is a price or an amount
    currency text,
    status text,
    payment_method text,
    order_type text,
    country text,
    state text,
    city text,
    traffic_source text,
    device text,
    os text,
    gender text,
    age_group text,
    membership_level text,
    region text,
    screen_size text,
    display_type text,
    resolution text,
    -- what the event held besides, as it came
    attributes jsonb
);

create index events_stored_at on events (stored_at);
create index events_occurred_at on events using brin (occurred_at) with (pages_per_range = 32, autosummarize = on);

-- Whether an order with this status failed, so that its amount is no revenue.
create function failed(status text) returns boolean
    language sql immutable parallel safe
    return lower(status collate "C") like 'failed\_%'
        or lower(status collate "C") in ('insufficient_funds', 'insuficcient_funds', 'user_error', 'fraud');

-- What an event brought in: the amount of an order that did not fail, else null.
--   select sum(revenue(e)) from events e where currency = 'USD';
create function revenue(e events) returns numeric
    language sql immutable parallel safe
    return case when e.event_type = 'order' and failed(e.status) is not true then e.amount end;

-- The value of a dimension that figures are broken down by; null for a name that is none.
--   select dimension(e, 'brand'), count(*) from events e group by 1;
create function dimension(e events, name text) returns text
    language sql immutable parallel safe
    return case name
        when 'event_type' then e.event_type
        when 'product' then e.product
        when 'site_version' then e.site_version
        when 'source' then e.source
        when 'user_id' then e.user_id
        when 'session_id' then e.session_id
        when 'page_id' then e.page_id
        when 'order_id' then e.order_id
        when 'product_id' then e.product_id
        when 'product_name' then e.product_name
        when 'brand' then e.brand
        when 'category' then e.category
        when 'currency' then e.currency
        when 'status' then e.status
        when 'payment_method' then e.payment_method
        when 'order_type' then e.order_type
        when 'country' then e.country
        when 'state' then e.state
        when 'city' then e.city
        when 'traffic_source' then e.traffic_source
        when 'device' then e.device
        when 'os' then e.os
        when 'gender' then e.gender
        when 'age_group' then e.age_group
        when 'membership_level' then e.membership_level
        when 'region' then e.region
        when 'screen_size' then e.screen_size
        when 'display_type' then e.display_type
        when 'resolution' then e.resolution
        when 'import_id' then e.import_id::text
    end;

-- The events of a half-open range that pass every filter; a null bound is no bound. A filter is a
-- dimension and the values that pass: {"product": ["clothes", "sneakers"], "site_version": ["mobile"]}.
-- The function is inlined, so a filter that is not there costs nothing.
--   select count(*) from picked_events('2019-01-01', '2019-02-01', '{"product": ["clothes"]}');
create function picked_events(starting timestamptz, ending timestamptz, filters jsonb) returns setof events
    language sql stable parallel safe
begin atomic
    select * from events e
    where (starting is null or e.occurred_at >= starting)
      and (ending is null or e.occurred_at < ending)
      and (filters -> 'event_type' is null or filters -> 'event_type' ? e.event_type)
      and (filters -> 'product' is null or filters -> 'product' ? e.product)
      and (filters -> 'site_version' is null or filters -> 'site_version' ? e.site_version)
      and (filters -> 'source' is null or filters -> 'source' ? e.source)
      and (filters -> 'user_id' is null or filters -> 'user_id' ? e.user_id)
      and (filters -> 'session_id' is null or filters -> 'session_id' ? e.session_id)
      and (filters -> 'page_id' is null or filters -> 'page_id' ? e.page_id)
      and (filters -> 'order_id' is null or filters -> 'order_id' ? e.order_id)
      and (filters -> 'product_id' is null or filters -> 'product_id' ? e.product_id)
      and (filters -> 'product_name' is null or filters -> 'product_name' ? e.product_name)
      and (filters -> 'brand' is null or filters -> 'brand' ? e.brand)
      and (filters -> 'category' is null or filters -> 'category' ? e.category)
      and (filters -> 'currency' is null or filters -> 'currency' ? e.currency)
      and (filters -> 'status' is null or filters -> 'status' ? e.status)
      and (filters -> 'payment_method' is null or filters -> 'payment_method' ? e.payment_method)
      and (filters -> 'order_type' is null or filters -> 'order_type' ? e.order_type)
      and (filters -> 'country' is null or filters -> 'country' ? e.country)
      and (filters -> 'state' is null or filters -> 'state' ? e.state)
      and (filters -> 'city' is null or filters -> 'city' ? e.city)
      and (filters -> 'traffic_source' is null or filters -> 'traffic_source' ? e.traffic_source)
      and (filters -> 'device' is null or filters -> 'device' ? e.device)
      and (filters -> 'os' is null or filters -> 'os' ? e.os)
      and (filters -> 'gender' is null or filters -> 'gender' ? e.gender)
      and (filters -> 'age_group' is null or filters -> 'age_group' ? e.age_group)
      and (filters -> 'membership_level' is null or filters -> 'membership_level' ? e.membership_level)
      and (filters -> 'region' is null or filters -> 'region' ? e.region)
      and (filters -> 'screen_size' is null or filters -> 'screen_size' ? e.screen_size)
      and (filters -> 'display_type' is null or filters -> 'display_type' ? e.display_type)
      and (filters -> 'resolution' is null or filters -> 'resolution' ? e.resolution)
      and (filters -> 'import_id' is null or filters -> 'import_id' ? e.import_id::text);
end;

-- The original system's table, so that its queries run unchanged: its columns in its order, its
-- row id without dashes, its times in the shop's zone.
create view ecommerce as
select
    replace(event_id::text, '-', '') as order_id,
    user_id,
    page_id,
    product,
    site_version,
    occurred_at at time zone (select shop_timezone()) as time,
    event_type as title,
    (event_type = 'order')::int as target,
    (occurred_at at time zone (select shop_timezone()))::date as date
from events;

-- What could not be stored, with the reason and the place: messages (topic, partition, offset; the
-- consumer writes them) and lines of imported files (import, line; replay writes them), each once.
-- The payload is kept as bytes, for it may be no text at all.
create table rejected_events (
    rejected_at timestamptz not null default now(),
    source text,
    topic text,
    partition integer,
    "offset" bigint,
    import_id uuid,
    line bigint,
    event_id uuid,
    reason text not null,
    payload bytea,
    unique (import_id, line)
);

create index rejected_events_rejected_at on rejected_events (rejected_at);
create index rejected_events_event_id on rejected_events (event_id) where event_id is not null;
