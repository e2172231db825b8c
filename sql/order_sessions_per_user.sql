-- Orders of each user without a pause of more than 10 minutes, and their value (session windows).
select window_start, window_end, "group" as user_id, orders, amount as value
from sessions('10 minutes', null, null, '{"event_type": ["order"]}');
