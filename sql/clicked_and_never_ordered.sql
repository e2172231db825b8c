-- Users who clicked a banner, and how many of them never ordered anything.
select count(*) as clicked, count(*) filter (where not ordered) as never_ordered
from (
    select user_id, bool_or(event_type = 'order') as ordered
    from events
    where event_type in ('banner_click', 'order')
    group by user_id
    having bool_or(event_type = 'banner_click')
) users;
