-- Orders, revenue and average order value of the last hour.
select currency, count(*) as orders, sum(revenue(e)) as revenue, round(avg(revenue(e)), 2) as average_order_value
from events e
where event_type = 'order' and occurred_at >= now() - interval '1 hour'
group by currency
order by currency;
