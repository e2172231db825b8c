-- Orders of each product, also of those that were only shown or clicked (target = 1 in the view ecommerce).
select product, sum(target) as orders, count(*) as events
from ecommerce
where product is not null
group by product
order by orders desc, product;
