-- How many users saw the banner of sneakers and that of sports nutrition, in each minute of the last hour.
select date_trunc('minute', occurred_at) as minute,
    count(distinct user_id) filter (where product = 'sneakers') as sneakers,
    count(distinct user_id) filter (where product = 'sports_nutrition') as sports_nutrition
from events
where event_type = 'banner_show' and product in ('sneakers', 'sports_nutrition') and occurred_at >= now() - interval '1 hour'
group by minute
order by minute desc;
