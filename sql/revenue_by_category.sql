-- Orders and revenue of each category.
select category, currency, count(*) as orders, sum(revenue(e)) as revenue
from events e
where event_type = 'order'
group by category, currency
order by revenue desc nulls last, category;
