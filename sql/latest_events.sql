-- The 50 events that were stored last, if there were so many in the last hour of storing. (Times of storing are
-- indexed by blocks, so that a bound is what makes this quick.)
select stored_at, occurred_at, event_type, user_id, product, site_version, amount, currency, source, event_id
from events
where stored_at >= (select max(updated_at) - interval '1 hour' from consumer_offsets)
order by stored_at desc, occurred_at desc, event_id
limit 50;
