-- Customers are counted from this index alone: whoever ordered is in it, and the events' rows need not be looked at.
drop index events_orders;
create index events_orders on events (occurred_at) include (user_id) where event_type = 'order';

-- What orders tell of themselves is read from this one. The planner takes events with details for ten times as many as
-- they are, and would as soon look through all orders for them.
create index events_orders_detailed on events (occurred_at) where event_type = 'order' and is_detailed(events);
