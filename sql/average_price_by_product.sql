-- What one piece of each ordered product cost on average.
select product, currency, round(avg(price), 2) as average_price
from events
where event_type = 'order' and price is not null
group by product, currency
order by product, currency;
