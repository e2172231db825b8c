-- The product that was ordered most often.
select coalesce(product_name, product) as product, count(*) as orders
from events
where event_type = 'order'
group by 1
order by orders desc, product
limit 1;
