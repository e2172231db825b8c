-- Tumbling windows: events, orders and revenue, by the values of a dimension or of none.
select window_start, window_end, "group", events, orders, amount
from tumbling(:'size', :'from', :'to', nullif(:'group_by', 'none'), :'filters', :'tz', :'origin')
limit :'limit';
