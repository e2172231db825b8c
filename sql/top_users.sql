-- The ten users with the most events.
select user_id, count(*) as events, min(occurred_at) as first, max(occurred_at) as last
from events
where event_type <> 'user_update'
group by user_id
order by events desc, user_id
limit 10;
