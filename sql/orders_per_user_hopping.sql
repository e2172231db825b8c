-- Orders and sales of each user in each hour, an hour starting every 30 minutes (hopping windows).
select window_start, window_end, "group" as user_id, orders, amount as sales
from hopping('1 hour', '30 minutes', null, null, 'user_id', '{"event_type": ["order"]}');
