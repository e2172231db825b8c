-- Orders: who bought, and what. A replayed log of banners has thirty times as many events, and its orders have
-- no details by which they could be found.
create index events_orders on events (occurred_at) where event_type = 'order';

-- Sets of users hardly get smaller by compression, and each fold would try it anew.
alter table cell_days alter column users set storage external;
alter table session_days alter column users set storage external;
