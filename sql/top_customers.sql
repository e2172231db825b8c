-- The twenty users who spent most in the last seven days.
select user_id, currency, count(*) as orders, sum(revenue(e)) as spent
from events e
where event_type = 'order' and occurred_at >= now() - interval '7 days'
group by user_id, currency
having sum(revenue(e)) > 0
order by spent desc, user_id
limit 20;
