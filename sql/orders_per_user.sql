-- What each user ordered: how often, for how much, and for how much on average.
select user_id, currency, count(*) as orders, sum(revenue(e)) as revenue, round(avg(revenue(e)), 2) as per_order
from events e
where event_type = 'order'
group by user_id, currency
order by revenue desc nulls last, user_id;
