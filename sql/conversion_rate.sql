-- How many of the users ordered something, in percent.
select count(*) as users, count(*) filter (where ordered) as ordered,
    round(100.0 * count(*) filter (where ordered) / nullif(count(*), 0), 2) as conversion_rate
from (
    select user_id, bool_or(event_type = 'order') as ordered
    from events
    where event_type <> 'user_update'
    group by user_id
) users;
