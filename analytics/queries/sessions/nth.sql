-- A length among those of the kept sessions of a range that are a fraction longer than some seconds.
--
-- $1, $2 half-open range of starts, null for no bound
-- $3 these seconds
-- $4 how many are shorter
select (extract(epoch from ended_at - started_at) * 1000000)::bigint as "micros!"
from user_sessions
where ended_at - started_at > make_interval(secs => $3::integer)
    and ended_at - started_at < make_interval(secs => $3::integer + 1)
    and ended_at > started_at
    and date_part('microseconds', ended_at - started_at)::integer % 1000000 <> 0
    and ($1::timestamptz is null or started_at >= $1::timestamptz)
    and ($2::timestamptz is null or started_at < $2::timestamptz)
order by ended_at - started_at
offset $4::bigint
limit 1
