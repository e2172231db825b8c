-- From when to when there may be events in a range, whatever their kind: nothing if there is none.
--
-- $1 whether the kept figures are of all events
-- $2 zone
-- $3, $4 half-open range, null for no bound
with first as materialized (
    select day
    from cell_days
    where $3::timestamptz is null or (day >= ($3::timestamptz at time zone 'UTC')::date - 2 and last_at >= $3::timestamptz)
    order by day
    limit 1
),
known as (
    -- only the first day is read, and the next one, for the two may overlap where a clock was set back over
    -- midnight; the last day ends within two days of UTC
    select
        (
            select min(first_at) from cell_days
            where day between (select day from first) and (select day from first) + 1
                and ($3::timestamptz is null or last_at >= $3::timestamptz)
        ) as first_at,
        ((
            select max(day) from cell_days
            where $4::timestamptz is null or day <= ($4::timestamptz at time zone 'UTC')::date + 2
        ) + 2)::timestamp at time zone 'UTC' as last_at
    where $1::boolean
    union all
    select min(first_at), max(last_at)
    from event_deltas
    where $1::boolean
        and ($3::timestamptz is null or last_at >= $3::timestamptz)
        and ($4::timestamptz is null or first_at < $4::timestamptz)
    union all
    -- where nothing is kept yet
    select min(occurred_at), max(occurred_at)
    from picked_events($3::timestamptz, $4::timestamptz, '{}')
    where not $1::boolean
),
extent as (
    select
        greatest(min(first_at), $3::timestamptz) as first_at,
        least(max(last_at), $4::timestamptz - interval '1 microsecond') as last_at
    from known
    having min(first_at) is not null
)
select
    first_at as "first_at!",
    last_at as "last_at!",
    (first_at at time zone $2::text)::date as "first_day!",
    (last_at at time zone $2::text)::date as "last_day!"
from extent
where first_at <= last_at
