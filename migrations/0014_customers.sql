-- Customers are counted from this index alone: whoever ordered is in it, and the events' rows need not be looked at.
drop index events_orders;
create index events_orders on events (occurred_at) include (user_id) where event_type = 'order';
