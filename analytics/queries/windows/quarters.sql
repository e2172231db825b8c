-- Events, orders and revenue of each segment by a dimension, from the kept counts. Segments are made of
-- whole quarters of an hour: number n is from element n of $1 up to the next element.
--
-- $1 quarters, in order
-- $2 filters, as picked_events takes them, of dimensions of cells only
-- $3 dimension of cells, or null
with kept as (
    select cell_id, event_type = 'order' as is_order, currency,
        case $3::text
            when 'event_type' then event_type
            when 'product' then product
            when 'site_version' then site_version
            when 'source' then source
        end as value
    from picked_cells($2::jsonb)
    where event_type <> 'user_update'
),
bounds as materialized (
    select quarter_start(($1::integer[])[1]) as starting, quarter_start(($1::integer[])[cardinality($1::integer[])]) as ending
),
parts as (
    select n as segment, k.value, k.currency, k.is_order,
        events_before(c, ($1::integer[])[n + 1]) - events_before(c, ($1::integer[])[n]) as events,
        amount_before(c, ($1::integer[])[n + 1]) - amount_before(c, ($1::integer[])[n]) as amount
    from bounds
    join cell_days c on c.day between (starting at time zone 'UTC')::date - 2 and (ending at time zone 'UTC')::date + 2
    join kept k using (cell_id)
    cross join generate_series(
        greatest(1, width_bucket(c.first_quarter, $1::integer[])),
        least(cardinality($1::integer[]) - 1, width_bucket(c.first_quarter + cardinality(c.events_to) - 1, $1::integer[]))
    ) as n
    where events_before(c, ($1::integer[])[n + 1]) > events_before(c, ($1::integer[])[n])
    union all
    -- what is not folded yet
    select width_bucket(quarter_of(d.occurred_at), $1::integer[]), k.value, k.currency, k.is_order, 1, d.amount
    from bounds
    join delta_events d on d.delta_last_at >= starting and d.delta_first_at < ending
        and d.occurred_at >= starting and d.occurred_at < ending
    join kept k using (cell_id)
)
select
    (segment - 1)::bigint as "segment!",
    value as "group",
    currency,
    sum(events)::bigint as "events!",
    coalesce(sum(events) filter (where is_order), 0)::bigint as "orders!",
    sum(amount)::text as amount
from parts
group by segment, value, currency
order by segment
