-- What each product sold: orders, revenue, and revenue per order that did not fail.
select product, currency, count(*) as orders, sum(revenue(e)) as revenue, round(avg(revenue(e)), 2) as per_order
from events e
where event_type = 'order'
group by product, currency
order by revenue desc nulls last, orders desc, product;
