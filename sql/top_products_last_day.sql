-- The ten products that brought in most in the last 24 hours, with the pieces sold.
select coalesce(product_name, product) as product, brand, currency, sum(revenue(e)) as revenue,
    sum(coalesce(quantity, 1)) filter (where revenue(e) is not null) as pieces
from events e
where event_type = 'order' and occurred_at >= now() - interval '24 hours'
group by 1, brand, currency
order by revenue desc nulls last, product
limit 10;
