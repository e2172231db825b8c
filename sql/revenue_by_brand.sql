-- Orders and revenue of each brand, since ever.
select brand, currency, count(*) as orders, sum(revenue(e)) as revenue
from events e
where event_type = 'order'
group by brand, currency
order by revenue desc nulls last, brand;
