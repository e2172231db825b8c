-- The latest 100 orders of the last hour.
select occurred_at, order_id, user_id, coalesce(product_name, product) as product, brand, price, quantity, amount, currency, status, country
from events
where event_type = 'order' and occurred_at >= now() - interval '1 hour'
order by occurred_at desc, event_id
limit 100;
