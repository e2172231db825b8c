-- What an order of the last 24 hours brought in on average, those that failed left out.
select currency, count(revenue(e)) as orders, round(avg(revenue(e)), 2) as average_order_value
from events e
where event_type = 'order' and occurred_at >= now() - interval '24 hours' and currency is not null
group by currency
order by currency;
