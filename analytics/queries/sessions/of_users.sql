-- The kept sessions of some users that start in a range.
--
-- $1, $2 half-open range of starts, null for no bound
-- $3 filters, which name users only
select s.user_number as "user_number!", (extract(epoch from s.ended_at - s.started_at) * 1000000)::bigint as "micros!",
    s.events as "events!", s.orders as "orders!"
from (select distinct jsonb_array_elements_text($3::jsonb -> 'user_id') as user_id) u
join user_numbers n on n.user_key = encode(user_key(u.user_id), 'hex')::uuid
join user_sessions s using (user_number)
where ($1::timestamptz is null or s.started_at >= $1::timestamptz)
    and ($2::timestamptz is null or s.started_at < $2::timestamptz)
