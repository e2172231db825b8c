-- Events by the stages of a funnel and the values of a dimension, from the kept counts.
--
-- $1 what to count: days or quarters, as in daily.sql
-- $2 dimension of cells, or null
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them, of dimensions of cells only
with kept as (
    select cell_id, funnel_stage(event_type) as stage,
        case $2::text
            when 'event_type' then event_type
            when 'product' then product
            when 'site_version' then site_version
            when 'source' then source
        end as value
    from picked_cells($7::jsonb)
    where funnel_stage(event_type) is not null
),
bounds as materialized (
    select
        coalesce(quarter_of($3::timestamptz), (-2 ^ 31)::integer) as starting,
        coalesce(quarter_of($4::timestamptz), (2 ^ 31 - 1)::integer) as ending
)
select value, stage as "stage!", sum(events)::bigint as "events!"
from (
    select k.value, k.stage, c.events
    from cell_days c join kept k using (cell_id)
    where $1::text = 'days'
        and ($5::date is null or c.day >= $5::date)
        and ($6::date is null or c.day < $6::date)
    union all
    select k.value, k.stage, events_before(c, bounds.ending) - events_before(c, bounds.starting)
    from bounds, cell_days c join kept k using (cell_id)
    where $1::text = 'quarters'
        and ($3::timestamptz is null or c.day >= ($3::timestamptz at time zone 'UTC')::date - 2)
        and ($4::timestamptz is null or c.day <= ($4::timestamptz at time zone 'UTC')::date + 2)
        and events_before(c, bounds.ending) > events_before(c, bounds.starting)
    union all
    -- what is not folded yet
    select k.value, k.stage, 1
    from delta_events d join kept k using (cell_id)
    where ($3::timestamptz is null or (d.delta_last_at >= $3::timestamptz and d.occurred_at >= $3::timestamptz))
        and ($4::timestamptz is null or (d.delta_first_at < $4::timestamptz and d.occurred_at < $4::timestamptz))
) parts
group by value, stage
