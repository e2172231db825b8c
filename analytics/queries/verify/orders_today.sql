-- Today's orders, in the shop's zone, as the page tells them.
select count(*) as "orders!"
from events
where event_type = 'order'
    and (occurred_at at time zone (select shop_timezone()))::date = (now() at time zone (select shop_timezone()))::date
