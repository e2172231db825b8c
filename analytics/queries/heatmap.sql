-- Events of each type and revenue by the hours of a zone's week, from Monday (1) to Sunday; hours without events are
-- left out.
--
-- $1 what to count: days, quarters, rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
with kept as (
    select cell_id, event_type, currency
    from picked_cells($7::jsonb)
    where event_type <> 'user_update'
),
days as materialized (
    select c.day, k.cell_id, c.events, c.amount, c.first_quarter,
        c.first_quarter + cardinality(c.events_to) as after,
        -- they are read many times: plain, not as they may be stored
        c.events_to || '{}'::integer[] as events_to, c.amounts_to || '{}'::numeric[] as amounts_to
    from cell_days c join kept k using (cell_id), (select shop_timezone() as tz) shop
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or c.day >= ($3::timestamptz at time zone shop.tz)::date)
        and ($4::timestamptz is null or c.day <= ($4::timestamptz at time zone shop.tz)::date)
),
-- once a day, not a quarter
spans as materialized (
    select day, greatest(quarter_of(day_start(day, shop.tz)), quarter_of($3::timestamptz)) as starting,
        least(quarter_of(day_start(day + 1, shop.tz)), quarter_of($4::timestamptz)) as ending
    from (select distinct day from days) d, (select shop_timezone() as tz) shop
),
-- the quarters of these days within the range, and in which of the zone's hours they are, numbered from a Monday
quarters as materialized (
    select day, quarter, ending,
        floor(date_part('epoch', quarter_start(quarter) at time zone $2::text) / 3600)::integer + 72 as hour
    from spans, generate_series(starting, ending - 1) as quarter
),
bounds as materialized (
    select day, hour, quarter as starting, lead(quarter, 1, ending) over (partition by day order by quarter) as ending
    from (select *, lag(hour) over (partition by day order by quarter) as before from quarters) q
    where before is distinct from hour
),
-- differences of what the day had before the bounds
folded as (
    select mod(mod(b.hour, 168) + 168, 168) as hour, d.cell_id,
        sum(
            case when b.ending >= d.after then d.events else coalesce(d.events_to[b.ending - d.first_quarter], 0) end
            - case when b.starting >= d.after then d.events else coalesce(d.events_to[b.starting - d.first_quarter], 0) end
        ) as events,
        sum(
            case when d.amount is not null then
                case when b.ending >= d.after then d.amount else coalesce(d.amounts_to[b.ending - d.first_quarter], 0) end
                - case when b.starting >= d.after then d.amount else coalesce(d.amounts_to[b.starting - d.first_quarter], 0) end
            end
        ) as amount
    from days d join bounds b using (day)
    group by 1, 2
),
-- what is not folded yet, or has to be counted from the rows
singles as (
    select quarter_of(e.occurred_at) as quarter, k.event_type, k.currency, count(*) as events, sum(e.amount) as amount
    from delta_events e join kept k using (cell_id)
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or e.occurred_at >= $3::timestamptz)
        and ($4::timestamptz is null or e.occurred_at < $4::timestamptz)
    group by 1, 2, 3
    union all
    select quarter_of(e.occurred_at), e.event_type, case when revenue(e) is not null then e.currency end, count(*), sum(revenue(e))
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where $1::text in ('rows', 'dated rows') and e.event_type <> 'user_update'
        and ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by 1, 2, 3
),
hours as (
    select hour / 24 + 1 as weekday, hour % 24 as hour, event_type, currency, events, amount
    from folded join kept using (cell_id)
    union all
    select extract(isodow from local)::integer, extract(hour from local)::integer, event_type, currency, events, amount
    from singles, lateral (select quarter_start(quarter) at time zone $2::text as local) l
),
sums as (
    select weekday, hour, event_type, currency, sum(events) as events, sum(amount) as amount
    from hours
    where events > 0
    group by 1, 2, 3, 4
)
select
    weekday as "weekday!",
    hour as "hour!",
    coalesce(sum(events) filter (where event_type = 'banner_show'), 0)::bigint as "banner_show!",
    coalesce(sum(events) filter (where event_type = 'banner_click'), 0)::bigint as "banner_click!",
    coalesce(sum(events) filter (where event_type = 'page_view'), 0)::bigint as "page_view!",
    coalesce(sum(events) filter (where event_type = 'product_view'), 0)::bigint as "product_view!",
    coalesce(sum(events) filter (where event_type = 'cart'), 0)::bigint as "cart!",
    coalesce(sum(events) filter (where event_type = 'cart_remove'), 0)::bigint as "cart_remove!",
    coalesce(sum(events) filter (where event_type = 'order'), 0)::bigint as "order!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from sums
group by weekday, hour
order by weekday, hour
