-- A page of the kept sessions that start in a range, by their starts, then their users.
--
-- $1, $2 half-open range of starts, null for no bound
-- $3 filters, which name users only; empty for all users
-- $4, $5 start and user of the last one of the page before, or null
-- $6 sessions at the most
select s.started_at as "started_at!", s.ended_at as "ended_at!", user_id(s.user_number) as "user_id!",
    s.events::bigint as "events!", s.orders::bigint as "orders!", coalesce(s.amount, '{}') as "amount!: Json<Amount>"
from user_sessions s
where ($1::timestamptz is null or s.started_at >= $1::timestamptz)
    and ($2::timestamptz is null or s.started_at < $2::timestamptz)
    and ($4::timestamptz is null or (
        s.started_at >= $4::timestamptz
        and (s.started_at > $4::timestamptz or user_id(s.user_number) collate "C" > $5::text)
    ))
    and ($3::jsonb = '{}' or s.user_number = any(array(
        select user_number
        from jsonb_array_elements_text($3::jsonb -> 'user_id') as u(user_id)
        join user_numbers on user_key = encode(user_key(u.user_id), 'hex')::uuid
    )))
order by s.started_at, user_id(s.user_number) collate "C"
limit $6::bigint
