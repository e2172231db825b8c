-- Revenue of each brand in the last hour.
select brand, currency, sum(revenue(e)) as revenue
from events e
where event_type = 'order' and occurred_at >= now() - interval '1 hour'
group by brand, currency
order by revenue desc nulls last, brand;
