-- Events of each type and revenue a day: every day of the range, zeros included. A day that the zone
-- never had is left out.
--
-- $1 what to count: days (whole days of the shop's zone), quarters (bounds on quarters of an hour),
--    rows, or dated rows (rows by their local date, where instants do not bound the days)
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 days at the most
with kept as (
    select cell_id, event_type, currency
    from picked_cells($7::jsonb)
),
known as (
    select (min(first_at) at time zone $2::text)::date as first_day, (max(last_at) at time zone $2::text)::date as last_day
    from (
        select first_at, last_at from cell_days
        union all
        select first_at, last_at from event_deltas
        union all
        -- where nothing is kept yet
        select min(occurred_at), max(occurred_at) from events
        where (select kept_timezone is distinct from timezone from settings)
    ) known
),
days as (
    select day::date as day
    from generate_series(
            coalesce(
                $5::date,
                ($3::timestamptz at time zone $2::text)::date,
                (select first_day from known)
            )::timestamp,
            coalesce(
                $6::date - 1,
                (($4::timestamptz - interval '1 microsecond') at time zone $2::text)::date,
                (select last_day from known)
            )::timestamp,
            interval '1 day'
        ) as day
    -- noon of a day that was skipped is another day's
    where ((day + interval '12 hours') at time zone $2::text at time zone $2::text)::date = day::date
    limit $8::bigint
),
zone_days as materialized (
    select
        day,
        greatest(quarter_of(day_start(day, $2::text)), quarter_of($3::timestamptz)) as starting,
        least(quarter_of(day_start(day + 1, $2::text)), quarter_of($4::timestamptz)) as ending
    from days
    where $1::text = 'quarters'
),
parts as (
    select c.day, k.event_type, k.currency, sum(c.events) as events, sum(c.amount) as amount
    from cell_days c join kept k using (cell_id)
    where $1::text = 'days'
        and ($5::date is null or c.day >= $5::date)
        and ($6::date is null or c.day < $6::date)
    group by 1, 2, 3
    union all
    -- a day of another zone is of three days of the shop's at the most
    select z.day, k.event_type, k.currency,
        sum(events_before(c, z.ending) - events_before(c, z.starting)),
        sum(amount_before(c, z.ending) - amount_before(c, z.starting))
    from zone_days z
    join cell_days c on c.day between z.day - 2 and z.day + 2
    join kept k using (cell_id)
    where events_before(c, z.ending) > events_before(c, z.starting)
    group by 1, 2, 3
    union all
    -- what is not folded yet
    select (d.occurred_at at time zone $2::text)::date, k.event_type, k.currency, count(*), sum(d.amount)
    from delta_events d join kept k using (cell_id)
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or (d.delta_last_at >= $3::timestamptz and d.occurred_at >= $3::timestamptz))
        and ($4::timestamptz is null or (d.delta_first_at < $4::timestamptz and d.occurred_at < $4::timestamptz))
    group by 1, 2, 3
    union all
    select (e.occurred_at at time zone $2::text)::date, e.event_type,
        case when revenue(e) is not null then e.currency end, count(*), sum(revenue(e))
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where $1::text in ('rows', 'dated rows')
        and ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by 1, 2, 3
),
picked as (
    select day, event_type, currency, sum(events) as events, sum(amount) as amount
    from parts
    group by 1, 2, 3
)
select
    day as "day!",
    coalesce(sum(events) filter (where event_type = 'banner_show'), 0)::bigint as "banner_show!",
    coalesce(sum(events) filter (where event_type = 'banner_click'), 0)::bigint as "banner_click!",
    coalesce(sum(events) filter (where event_type = 'page_view'), 0)::bigint as "page_view!",
    coalesce(sum(events) filter (where event_type = 'product_view'), 0)::bigint as "product_view!",
    coalesce(sum(events) filter (where event_type = 'cart'), 0)::bigint as "cart!",
    coalesce(sum(events) filter (where event_type = 'cart_remove'), 0)::bigint as "cart_remove!",
    coalesce(sum(events) filter (where event_type = 'order'), 0)::bigint as "order!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from days left join picked using (day)
group by day
order by day
