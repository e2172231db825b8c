-- Events of each type and revenue by the values of a dimension, largest first; null stands for the
-- events without it. Changes of users are no traffic and are left out.
--
-- $1 what to count: days, quarters, rows or dated rows, as in daily.sql; the first two know the
--    dimensions of cells only
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 dimension
-- $9 values at the most
with kept as (
    select cell_id, event_type, currency,
        case $8::text
            when 'event_type' then event_type
            when 'product' then product
            when 'site_version' then site_version
            when 'source' then source
        end as value
    from picked_cells($7::jsonb)
),
bounds as materialized (
    select
        coalesce(quarter_of($3::timestamptz), (-2 ^ 31)::integer) as starting,
        coalesce(quarter_of($4::timestamptz), (2 ^ 31 - 1)::integer) as ending
),
parts as (
    select k.value, k.event_type, k.currency, sum(c.events) as events, sum(c.amount) as amount
    from cell_days c join kept k using (cell_id)
    where $1::text = 'days'
        and ($5::date is null or c.day >= $5::date)
        and ($6::date is null or c.day < $6::date)
    group by 1, 2, 3
    union all
    select k.value, k.event_type, k.currency,
        sum(events_before(c, bounds.ending) - events_before(c, bounds.starting)),
        sum(amount_before(c, bounds.ending) - amount_before(c, bounds.starting))
    from bounds, cell_days c join kept k using (cell_id)
    where $1::text = 'quarters'
        and ($3::timestamptz is null or c.day >= ($3::timestamptz at time zone 'UTC')::date - 2)
        and ($4::timestamptz is null or c.day <= ($4::timestamptz at time zone 'UTC')::date + 2)
        and events_before(c, bounds.ending) > events_before(c, bounds.starting)
    group by 1, 2, 3
    union all
    -- what is not folded yet
    select k.value, k.event_type, k.currency, count(*), sum(d.amount)
    from delta_events d join kept k using (cell_id)
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or (d.delta_last_at >= $3::timestamptz and d.occurred_at >= $3::timestamptz))
        and ($4::timestamptz is null or (d.delta_first_at < $4::timestamptz and d.occurred_at < $4::timestamptz))
    group by 1, 2, 3
    union all
    select dimension(e, $8::text), e.event_type, case when revenue(e) is not null then e.currency end, count(*), sum(revenue(e))
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where $1::text in ('rows', 'dated rows')
        and ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by 1, 2, 3
),
picked as (
    select value, event_type, currency, sum(events) as events, sum(amount) as amount
    from parts
    group by 1, 2, 3
)
select
    value,
    coalesce(sum(events) filter (where event_type = 'banner_show'), 0)::bigint as "banner_show!",
    coalesce(sum(events) filter (where event_type = 'banner_click'), 0)::bigint as "banner_click!",
    coalesce(sum(events) filter (where event_type = 'page_view'), 0)::bigint as "page_view!",
    coalesce(sum(events) filter (where event_type = 'product_view'), 0)::bigint as "product_view!",
    coalesce(sum(events) filter (where event_type = 'cart'), 0)::bigint as "cart!",
    coalesce(sum(events) filter (where event_type = 'cart_remove'), 0)::bigint as "cart_remove!",
    coalesce(sum(events) filter (where event_type = 'order'), 0)::bigint as "order!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from picked
where event_type <> 'user_update'
group by value
order by sum(events) desc, value collate "C" nulls last
limit $9::bigint
