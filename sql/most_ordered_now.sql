-- Orders of each product in the last hour, most first.
select product, count(*) as orders
from events
where event_type = 'order' and occurred_at >= now() - interval '1 hour'
group by product
order by orders desc, product;
