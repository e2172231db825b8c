-- What an order from each state brought in on average, those that failed left out.
select state, currency, count(revenue(e)) as orders, round(avg(revenue(e)), 2) as average_order_value
from events e
where event_type = 'order' and currency is not null
group by state, currency
order by average_order_value desc nulls last, state;
