-- Events of each type, revenue, and the first and the last event of a range. Changes of users have
-- no count here, but may be the first or the last.
--
-- $1 what to count: days, quarters, rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
with kept as (
    select cell_id, event_type, currency
    from picked_cells($7::jsonb)
),
bounds as materialized (
    select
        coalesce(quarter_of($3::timestamptz), (-2 ^ 31)::integer) as starting,
        coalesce(quarter_of($4::timestamptz), (2 ^ 31 - 1)::integer) as ending
),
parts as (
    select k.event_type, k.currency, sum(c.events) as events, sum(c.amount) as amount,
        min(c.first_at) as first_at, max(c.last_at) as last_at
    from cell_days c join kept k using (cell_id)
    where $1::text = 'days'
        and ($5::date is null or c.day >= $5::date)
        and ($6::date is null or c.day < $6::date)
    group by 1, 2
    union all
    select k.event_type, k.currency,
        sum(events_before(c, bounds.ending) - events_before(c, bounds.starting)),
        sum(amount_before(c, bounds.ending) - amount_before(c, bounds.starting)),
        min(first_from(c, bounds.starting)), max(last_before(c, bounds.ending))
    from bounds, cell_days c join kept k using (cell_id)
    where $1::text = 'quarters'
        and ($3::timestamptz is null or c.day >= ($3::timestamptz at time zone 'UTC')::date - 2)
        and ($4::timestamptz is null or c.day <= ($4::timestamptz at time zone 'UTC')::date + 2)
        and events_before(c, bounds.ending) > events_before(c, bounds.starting)
    group by 1, 2
    union all
    -- what is not folded yet
    select k.event_type, k.currency, count(*), sum(d.amount), min(d.occurred_at), max(d.occurred_at)
    from delta_events d join kept k using (cell_id)
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or (d.delta_last_at >= $3::timestamptz and d.occurred_at >= $3::timestamptz))
        and ($4::timestamptz is null or (d.delta_first_at < $4::timestamptz and d.occurred_at < $4::timestamptz))
    group by 1, 2
    union all
    select e.event_type, case when revenue(e) is not null then e.currency end, count(*), sum(revenue(e)),
        min(e.occurred_at), max(e.occurred_at)
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where $1::text in ('rows', 'dated rows')
        and ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by 1, 2
),
picked as (
    select event_type, currency, sum(events) as events, sum(amount) as amount, min(first_at) as first_at, max(last_at) as last_at
    from parts
    group by 1, 2
)
select
    coalesce(sum(events) filter (where event_type = 'banner_show'), 0)::bigint as "banner_show!",
    coalesce(sum(events) filter (where event_type = 'banner_click'), 0)::bigint as "banner_click!",
    coalesce(sum(events) filter (where event_type = 'page_view'), 0)::bigint as "page_view!",
    coalesce(sum(events) filter (where event_type = 'product_view'), 0)::bigint as "product_view!",
    coalesce(sum(events) filter (where event_type = 'cart'), 0)::bigint as "cart!",
    coalesce(sum(events) filter (where event_type = 'cart_remove'), 0)::bigint as "cart_remove!",
    coalesce(sum(events) filter (where event_type = 'order'), 0)::bigint as "order!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>",
    min(first_at) as first,
    max(last_at) as last
from picked
