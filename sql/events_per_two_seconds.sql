-- Events of each type in windows of two seconds, over the last five minutes.
select window_start, window_end, "group" as event_type, events, amount
from tumbling('2 seconds', now() - interval '5 minutes', now(), 'event_type');
