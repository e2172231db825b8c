-- Orders, users who ordered, and revenue of each region that users are from.
select region, currency, count(*) as orders, count(distinct user_id) as users, sum(revenue) as revenue
from orders_with_users
group by region, currency
order by revenue desc nulls last, orders desc, region;
