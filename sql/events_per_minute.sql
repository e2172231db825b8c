-- Events of each type in each minute of the last hour.
select window_start as minute, "group" as event_type, events
from tumbling('1 minute', now() - interval '1 hour', now(), 'event_type');
