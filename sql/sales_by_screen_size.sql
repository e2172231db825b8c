-- Orders, pieces and revenue by the size of the screen that was ordered.
select screen_size, currency, count(*) as orders, sum(coalesce(quantity, 1)) as pieces, sum(revenue(e)) as revenue
from events e
where event_type = 'order' and screen_size is not null
group by screen_size, currency
order by revenue desc nulls last, screen_size;
