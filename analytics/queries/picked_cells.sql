-- The cells that figures of traffic are counted by and their values of a dimension, and from when to
-- when the sets of their users lag in a range.
--
-- $1 filters, as picked_events takes them
-- $2 dimension, or null
-- $3, $4 half-open range, null for no bound
select
    c.cell_id as "cell_id!",
    case $2::text
        when 'event_type' then c.event_type
        when 'product' then c.product
        when 'site_version' then c.site_version
        when 'source' then c.source
    end as value,
    funnel_stage(c.event_type) as stage,
    d.first_at as pending_from,
    d.last_at as pending_to
from picked_cells($1::jsonb) c
left join lateral (
    select min(d.first_at) as first_at, max(d.last_at) as last_at
    from event_deltas d
    where d.cell_id = c.cell_id
        and ($3::timestamptz is null or d.last_at >= $3::timestamptz)
        and ($4::timestamptz is null or d.first_at < $4::timestamptz)
) d on true
where c.event_type <> 'user_update'
