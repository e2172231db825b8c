-- The sessions that start in a range, cut from the events: how many have each length; how many users have
-- any, in the row without a length.
--
-- $1 gap in microseconds
-- $2, $3 half-open range of starts, null for no bound
-- $4 filters, as picked_events takes them
-- $5 zone
-- $6, $7 local dates of starts from and to before, where days are no ranges of instants
with found as (
    select (extract(epoch from window_end - window_start) * 1000000)::bigint as micros, "group", events, orders
    from sessions($1::bigint * interval '1 microsecond', $2::timestamptz, $3::timestamptz, $4::jsonb)
    where ($6::date is null or (window_start at time zone $5::text)::date >= $6::date)
        and ($7::date is null or (window_start at time zone $5::text)::date < $7::date)
)
select micros, count(*) as "sessions!", sum(events)::bigint as "events!",
    count(*) filter (where orders > 0) as "with_order!"
from found
group by micros
union all
select null, count(distinct "group"), 0, 0
from found
