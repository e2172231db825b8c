-- Orders and revenue of each country and of its cities; a null city is the whole country.
select country, city, currency, count(*) as orders, sum(revenue(e)) as revenue
from events e
where event_type = 'order' and country is not null
group by grouping sets ((country, currency), (country, city, currency))
having grouping(city) = 1 or city is not null
order by country, currency, revenue desc nulls last, city nulls first;
