-- Page views of each user in each hour (tumbling windows).
select window_start, window_end, "group" as user_id, events as views
from tumbling('1 hour', null, null, 'user_id', '{"event_type": ["page_view"]}');
