-- The kept sessions that events of some users may be joined with.
--
-- $1 users
-- $2 each one's first event
-- $3 each one's last event, and the gap after it
select s.user_number as "user_number!", s.started_at as "started_at!", s.ended_at as "ended_at!",
    s.events as "events!", s.orders as "orders!", s.amount
from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) as u(user_number, first_at, last_at),
    lateral (
        (
            select * from user_sessions
            where user_number = u.user_number and started_at <= u.first_at
            order by started_at desc
            limit 1
        )
        union all
        select * from user_sessions
        where user_number = u.user_number and started_at > u.first_at and started_at <= u.last_at
    ) s
