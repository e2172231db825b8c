-- What /api/sessions tells of all sessions, and of those that start in each month of the shop's zone. The
-- median is in microseconds, and twice that where it lies between two sessions.
with found as (
    select "group" as user_id, events, orders,
        (extract(epoch from window_end - window_start) * 1000000)::bigint as micros,
        to_char(window_start at time zone (select shop_timezone()), 'YYYY-MM') as month
    from sessions((select session_gap from settings), null, null)
)
select
    month,
    count(*) as "sessions!",
    count(distinct user_id) as "users!",
    sum(events)::bigint as "events!",
    count(*) filter (where orders > 0) as "with_order!",
    percentile_cont(0.5) within group (order by micros) as "median_micros!",
    sum(micros)::bigint as "micros!"
from found
group by grouping sets ((), (month))
having count(*) > 0
