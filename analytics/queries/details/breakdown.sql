-- As breakdown.sql, by a dimension that only events with details have a value of: these are counted from the
-- rows, and the others from the kept counts, which are all without it. A cell may have events of both kinds.
--
-- $1 what to count the others by: days or quarters, as in daily.sql
-- $2 dimension
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them, of dimensions of cells only
-- $8 values at the most
with bounds as materialized (
    select
        coalesce(quarter_of($3::timestamptz), (-2 ^ 31)::integer) as starting,
        coalesce(quarter_of($4::timestamptz), (2 ^ 31 - 1)::integer) as ending
),
kept as (
    select cell_id, sum(events) as events, sum(amount) as amount
    from (
        select c.cell_id, c.events, c.amount
        from cell_days c
        where $1::text = 'days'
            and ($5::date is null or c.day >= $5::date)
            and ($6::date is null or c.day < $6::date)
        union all
        select c.cell_id,
            events_before(c, bounds.ending) - events_before(c, bounds.starting),
            amount_before(c, bounds.ending) - amount_before(c, bounds.starting)
        from bounds, cell_days c
        where $1::text = 'quarters'
            and ($3::timestamptz is null or c.day >= ($3::timestamptz at time zone 'UTC')::date - 2)
            and ($4::timestamptz is null or c.day <= ($4::timestamptz at time zone 'UTC')::date + 2)
            and events_before(c, bounds.ending) > events_before(c, bounds.starting)
        union all
        -- what is not folded yet
        select d.cell_id, 1, d.amount
        from delta_events d
        where ($3::timestamptz is null or (d.delta_last_at >= $3::timestamptz and d.occurred_at >= $3::timestamptz))
            and ($4::timestamptz is null or (d.delta_first_at < $4::timestamptz and d.occurred_at < $4::timestamptz))
    ) parts
    group by cell_id
),
details as materialized (
    select dimension(e, $2::text) as value, e.event_type, e.product, e.site_version, e.source,
        case when revenue(e) is not null then e.currency end as currency,
        count(*) as events, sum(revenue(e)) as amount
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where is_detailed(e) and e.event_type <> 'user_update'
    group by 1, 2, 3, 4, 5, 6
),
detailed_cells as (
    select event_type, product, site_version, source, currency, sum(events) as events, sum(amount) as amount
    from details
    group by 1, 2, 3, 4, 5
),
others as materialized (
    select c.cell_id, c.event_type, c.currency,
        k.events - coalesce(d.events, 0) as events,
        k.amount - coalesce(d.amount, 0) as amount,
        d.events is not null as is_mixed
    from kept k
    join picked_cells($7::jsonb) c using (cell_id)
    left join detailed_cells d on d.event_type = c.event_type and d.source = c.source
        and d.product is not distinct from c.product
        and d.site_version is not distinct from c.site_version
        and d.currency is not distinct from c.currency
    where c.event_type <> 'user_update' and k.events > coalesce(d.events, 0)
),
picked as (
    select value, event_type, currency, sum(events) as events, sum(amount) as amount
    from (
        select value, event_type, currency, events, amount from details
        union all
        select null, event_type, currency, events, amount from others
    ) parts
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
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>",
    -- where the events without a value are from, which tells who their users are
    case when value is null then array(select cell_id from others) end as cells,
    case when value is null then (select bool_or(is_mixed) from others) end as is_mixed
from picked
group by value
order by sum(events) desc, value collate "C" nulls last
limit $8::bigint
