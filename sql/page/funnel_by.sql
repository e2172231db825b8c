-- The same by the values of a dimension, without events that have none, those with the most events first.
with visits as (
    select dimension(e, :'by') as value, e.user_id, funnel_stage(e.event_type) as stage, count(*) as events,
        max(funnel_stage(e.event_type)) over (partition by dimension(e, :'by'), e.user_id) as furthest
    from picked_events(:'from', :'to', :'filters') e
    where funnel_stage(e.event_type) is not null and dimension(e, :'by') is not null
    group by value, e.user_id, stage
),
picked as (
    select value, sum(events) as events from visits group by value order by sum(events) desc, value collate "C" limit :'limit'
)
select picked.value, names.stage, coalesce(sum(v.events), 0) as events, count(v.user_id) as users,
    count(*) filter (where v.stage = v.furthest) as "left"
from picked
cross join unnest(array['view', 'click', 'cart', 'order']) with ordinality as names (stage, number)
left join visits v on v.value = picked.value and v.stage = names.number
group by picked.value, picked.events, names.number, names.stage
order by picked.events desc, picked.value collate "C", names.number;
