-- Session windows: events, orders and revenue of each user without a pause of more than the gap.
select window_start, window_end, "group", events, orders, amount
from sessions(:'gap', :'from', :'to', :'filters')
limit :'limit';
