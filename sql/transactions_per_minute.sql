-- Orders in each minute of the last hour; minutes without any are left out.
select window_start as minute, orders, amount
from tumbling('1 minute', now() - interval '1 hour', now(), null, '{"event_type": ["order"]}');
