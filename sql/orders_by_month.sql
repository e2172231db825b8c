-- Orders of each product by month of the shop's zone; a null product is all of them.
select to_char(occurred_at at time zone (select shop_timezone()), 'YYYY-MM') as month, product, count(*) as orders
from events
where event_type = 'order'
group by grouping sets ((1), (1, product))
having grouping(product) = 1 or product is not null
order by month, orders desc, product nulls first;
