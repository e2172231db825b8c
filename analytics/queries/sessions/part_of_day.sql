-- The kept sessions that start in a part of a day, in columns.
--
-- $1, $2 closed range of starts
-- $3 end of the range before which they start, null for none
select
    coalesce(array_agg(user_number), '{}') as "user_numbers!",
    coalesce(array_agg((extract(epoch from ended_at - started_at) * 1000000)::bigint), '{}') as "micros!",
    coalesce(array_agg(events), '{}') as "events!",
    coalesce(array_agg(orders), '{}') as "orders!"
from user_sessions
where started_at between $1::timestamptz and $2::timestamptz
    and ($3::timestamptz is null or started_at < $3::timestamptz)
