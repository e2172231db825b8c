-- Events and users of each stage on the way to an order; left are the users who came to no later stage.
with visits as (
    select user_id, funnel_stage(event_type) as stage, count(*) as events,
        max(funnel_stage(event_type)) over (partition by user_id) as furthest
    from picked_events(:'from', :'to', :'filters')
    where funnel_stage(event_type) is not null
    group by user_id, stage
)
select names.stage, coalesce(sum(v.events), 0) as events, count(v.user_id) as users,
    count(*) filter (where v.stage = v.furthest) as "left"
from unnest(array['view', 'click', 'cart', 'order']) with ordinality as names (stage, number)
left join visits v on v.stage = names.number
group by names.number, names.stage
order by names.number;
