-- The kept sessions by the day of the shop's zone on which they start: how many they are, their events and
-- orders, and a sum over users, starts, ends and revenue.
select day::text as place, kept, recount
from (
    select (started_at at time zone (select shop_timezone()))::date as day,
        row(count(*), sum(events), sum(orders), sum(hashtextextended(
            user_id || coalesce(amount, '{}')::text || extract(epoch from ended_at),
            (extract(epoch from started_at) * 1000000)::bigint
        ))) as kept
    from user_sessions
    join (
        select first_number + place - 1 as user_number, ids.user_id
        from user_ids, unnest(user_ids) with ordinality as ids(user_id, place)
    ) users using (user_number)
    group by 1
) kept
full join (
    select (window_start at time zone (select shop_timezone()))::date as day,
        row(count(*), sum(events)::bigint, sum(orders)::bigint, sum(hashtextextended(
            "group" || amount::text || extract(epoch from window_end),
            (extract(epoch from window_start) * 1000000)::bigint
        ))) as recount
    from sessions((select session_gap from settings), null, null)
    group by 1
) recount using (day)
