-- Windows and sessions, from psql as from /api/windows, which see: their rows are the same. They count the
-- rows of events and nothing else, so they are what kept figures are verified against.
--
-- Range and filters pick events first, as picked_events takes them (a null bound is no bound), then windows
-- count these: one at the edge of the range holds what of it lies in the range. Windows without events are
-- left out. Changes of users (user_update) are no traffic and in no window. orders counts all orders, amount
-- is revenue, currency to decimal text: {"USD": "12.50"}, {} for none.
--
--   select * from tumbling('1 hour', '2019-01-01', '2019-02-01', 'product');
--   select * from hopping('1 hour', '30 minutes', '2019-01-01', null, 'user_id', '{"event_type": ["order"]}');
--   select * from sessions('10 minutes', '2019-01-01', '2019-02-01');

-- The names that dimension knows, and that filters may hold.
create function dimensions() returns text[]
    language sql immutable parallel safe
    return array[
        'event_type', 'product', 'site_version', 'source', 'user_id', 'session_id', 'page_id', 'order_id', 'product_id',
        'product_name', 'brand', 'category', 'currency', 'status', 'payment_method', 'order_type', 'country', 'state',
        'city', 'traffic_source', 'device', 'os', 'gender', 'age_group', 'membership_level', 'region', 'screen_size',
        'display_type', 'resolution', 'import_id'
    ];

-- Refuses what is no dimension, for it is a slip of the pen that would group or filter by nothing.
create function check_dimensions(names text[]) returns void
    language plpgsql immutable parallel safe
as $$
declare
    name text;
begin
    foreach name in array names loop
        if name <> all(dimensions()) then
            raise exception '"%" is no dimension that events can be grouped or filtered by', name
                using errcode = 'invalid_parameter_value', hint = 'Use one of ' || array_to_string(dimensions(), ', ') || '.';
        end if;
    end loop;
end
$$;

-- What the width of a window is counted in: clock (hours, minutes and seconds), days or months. One that
-- mixes these fits no grid, and is refused like one that is not from a second to 366 days.
create function window_unit(what text, width interval) returns text
    language plpgsql immutable parallel safe
as $$
declare
    months integer := extract(year from width) * 12 + extract(month from width);
    days integer := extract(day from width);
    clock interval := width - make_interval(months => months, days => days);
begin
    if num_nonnulls(nullif(months, 0), nullif(days, 0), nullif(clock, interval '0')) > 1 then
        raise exception '% "%" mixes months, days and hours, whose lengths vary', what, width
            using errcode = 'invalid_parameter_value', hint = 'Use one of them, such as 3 months, 5 days or 36 hours.';
    end if;
    if (width >= interval '1 second' and months <= 12 and days <= 366 and clock <= interval '8784 hours') is not true then
        raise exception '% "%" is not from 1 second to 366 days', what, width
            using errcode = 'invalid_parameter_value', hint = 'Use a width such as 30 seconds, 1 hour, 7 days or 3 months.';
    end if;
    return case when months > 0 then 'months' when days > 0 then 'days' else 'clock' end;
end
$$;

-- Windows of one size that start an advance after another, so that an event is in several of them.
--
-- Sizes in hours, minutes and seconds are aligned to the epoch in UTC. Sizes in days and months are of the
-- calendar of tz: days are counted from origin, months from January 1970, and a window ends with its last
-- date, be its days of 23 or 25 hours. An interval does not tell a week from 7 days: for weeks that begin on
-- Mondays use '1 week' and the origin '1970-01-05'.
create function hopping(
    size interval,
    advance interval,
    starting timestamptz,
    ending timestamptz,
    group_by text default null,
    filters jsonb default '{}',
    tz text default shop_timezone(),
    origin date default '1970-01-01'
) returns table (
    window_start timestamptz, window_end timestamptz, "group" text, events bigint, orders bigint, amount jsonb
)
    language plpgsql stable
    -- a plan for any filters and any grouping would weigh them all, row by row
    set plan_cache_mode = force_custom_plan
    -- compiling it takes longer than most ranges do
    set jit = off
as $$
#variable_conflict use_column
declare
    unit text := window_unit('size', size);
    zone text := case unit when 'clock' then 'UTC' else tz end;
    -- what windows are made of: all that starts or ends does so at a multiple of this from the grid
    step interval;
    grid timestamp := 'epoch';
begin
    if window_unit('advance', advance) <> unit then
        raise exception 'size "%" and advance "%" are not both of hours, of days or of months', size, advance
            using errcode = 'invalid_parameter_value', hint = 'Use 24 hours for a day that is no day of the calendar.';
    end if;
    if advance > size then
        raise exception 'advance "%" is longer than size "%", so that events would be in no window', advance, size
            using errcode = 'invalid_parameter_value', hint = 'Use an advance that is at most the size.';
    end if;
    perform check_dimensions(array(select jsonb_object_keys(filters)) || case when group_by is not null then group_by end);
    if unit = 'clock' then
        step := gcd((extract(epoch from size) * 1000000)::bigint, (extract(epoch from advance) * 1000000)::bigint)
            * interval '1 microsecond';
    elsif unit = 'days' then
        step := gcd(extract(day from size)::integer, extract(day from advance)::integer) * interval '1 day';
        -- date_bin wants it before all events
        grid := origin - greatest(0, (origin - date '1999-01-01') / extract(day from advance)::integer + 1) * advance;
    end if;

    return query
    with counted as (
        select
            case unit
                when 'months' then date_trunc('month', e.occurred_at at time zone zone)
                else date_bin(step, e.occurred_at at time zone zone, grid)
            end as piece,
            dimension(e, group_by) as value,
            case when revenue(e) is not null then e.currency end as currency,
            count(*) as events,
            count(*) filter (where e.event_type = 'order') as orders,
            sum(revenue(e)) as amount
        from picked_events(starting, ending, filters) e
        where e.event_type <> 'user_update'
        group by 1, 2, 3
    ),
    -- the windows that a piece is in: the last one to start, and those before it that have not ended
    placed as (
        select
            piece,
            case unit when 'clock' then first at time zone 'UTC' else day_start(first::date, tz) end as window_start,
            case unit when 'clock' then (first + size) at time zone 'UTC' else day_start((first + size)::date, tz) end as window_end
        from (
            select
                piece,
                case unit
                    when 'months' then piece - mod(
                        extract(year from piece)::integer * 12 + extract(month from piece)::integer - (1970 * 12 + 1),
                        extract(year from advance)::integer * 12 + extract(month from advance)::integer
                    ) * interval '1 month'
                    else date_bin(advance, piece, grid)
                end as last
            from counted
            group by piece
        ) p,
        generate_series(0, ceil(extract(epoch from size) / extract(epoch from advance))::integer) as hop,
        lateral (select last - hop * advance as first) w
        where first + size > piece
    )
    select
        window_start,
        window_end,
        value,
        sum(events)::bigint,
        sum(orders)::bigint,
        coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}')
    from (
        select window_start, window_end, value, currency, sum(events) as events, sum(orders) as orders, sum(amount) as amount
        from counted join placed using (piece)
        group by 1, 2, 3, 4
    ) sums
    group by window_start, window_end, value
    order by window_start, value collate "C" nulls last;
end
$$;

-- Windows of one size that follow one another: hopping by their whole size.
create function tumbling(
    size interval,
    starting timestamptz,
    ending timestamptz,
    group_by text default null,
    filters jsonb default '{}',
    tz text default shop_timezone(),
    origin date default '1970-01-01'
) returns table (
    window_start timestamptz, window_end timestamptz, "group" text, events bigint, orders bigint, amount jsonb
)
    language sql stable
begin atomic
    select * from hopping(size, size, starting, ending, group_by, filters, tz, origin);
end;

-- What each user (group) did without pausing for longer than gap: from the first to the last event of it, a
-- pause of exactly gap included. Sessions are cut from the filtered events of all time, then those are picked
-- that start in the range; they are whole, even past its end.
create function sessions(
    gap interval,
    starting timestamptz,
    ending timestamptz,
    filters jsonb default '{}'
) returns table (
    window_start timestamptz, window_end timestamptz, "group" text, events bigint, orders bigint, amount jsonb
)
    language plpgsql stable
    set plan_cache_mode = force_custom_plan
    set jit = off
as $$
#variable_conflict use_column
begin
    if window_unit('gap', gap) <> 'clock' then
        raise exception 'gap "%" is of days or months, whose lengths vary', gap
            using errcode = 'invalid_parameter_value', hint = 'Use hours, such as 24 hours.';
    end if;
    perform check_dimensions(array(select jsonb_object_keys(filters)));

    return query
    with near as (
        -- an event in the range begins a session or not, whatever was longer than the gap before it
        -- (compared byte by byte, users are sorted twice as fast)
        select e.user_id collate "C" as user_id, e.occurred_at, e.event_type, e.currency, revenue(e) as amount
        from picked_events(starting - gap, ending, filters) e
        where e.event_type <> 'user_update'
        union all
        -- who came shortly before its end may have stayed
        select e.user_id, e.occurred_at, e.event_type, e.currency, revenue(e)
        from picked_events(ending, null, filters) e
        where ending < 'infinity'
            and e.event_type <> 'user_update'
            and exists (
                select
                from picked_events(ending - gap, ending, filters) late
                where late.user_id = e.user_id and late.event_type <> 'user_update'
            )
    ),
    cut as (
        select *, coalesce(occurred_at > lag(occurred_at) over one_user + gap, true) as begins
        from near
        window one_user as (partition by user_id order by occurred_at)
    ),
    numbered as (
        select *, count(*) filter (where begins) over one_user as session
        from cut
        window one_user as (partition by user_id order by occurred_at rows unbounded preceding)
    )
    select
        min(first),
        max(last),
        user_id,
        sum(events)::bigint,
        sum(orders)::bigint,
        coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}')
    from (
        select
            user_id,
            session,
            case when amount is not null then currency end as currency,
            min(occurred_at) as first,
            max(occurred_at) as last,
            count(*) as events,
            count(*) filter (where event_type = 'order') as orders,
            sum(amount) as amount
        from numbered
        group by 1, 2, 3
    ) sums
    group by user_id, session
    having (starting is null or min(first) >= starting) and (ending is null or min(first) < ending)
    order by min(first), user_id;
end
$$;
