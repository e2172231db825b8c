-- How many sessions began in the range, of how many users, and how long they are.
select
    count(*) as sessions,
    count(distinct "group") as users,
    coalesce(sum(events), 0) as events,
    count(*) filter (where orders > 0) as with_order,
    avg(extract(epoch from window_end - window_start)) as mean_seconds,
    percentile_cont(0.5) within group (order by extract(epoch from window_end - window_start)) as median_seconds
from sessions(:'gap', :'from', :'to', :'filters');
