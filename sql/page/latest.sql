-- The events that were stored last, newest first.
select stored_at, occurred_at, event_type, product, site_version, user_id, source, event_id
from picked_events(:'from', :'to', :'filters')
order by stored_at desc, occurred_at desc, event_id
limit :'limit';
