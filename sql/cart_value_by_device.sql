-- What was put into carts on each device and operating system.
select device, os, currency, count(*) as carts, sum(price * coalesce(quantity, 1)) as value
from events
where event_type = 'cart'
group by device, os, currency
order by value desc nulls last, device, os;
