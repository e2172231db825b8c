-- The 50 events that were stored last.
select stored_at, occurred_at, event_type, user_id, product, site_version, amount, currency, source, event_id
from events
order by stored_at desc, occurred_at desc, event_id
limit 50;
