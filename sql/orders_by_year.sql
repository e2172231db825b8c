-- Orders of each calendar month, the years of the shop's zone beside each other.
select to_char(day, 'MM') as month,
    count(*) filter (where extract(year from day) = 2019) as orders_2019,
    count(*) filter (where extract(year from day) = 2020) as orders_2020,
    count(*) filter (where extract(year from day) = extract(year from now())) as orders_this_year
from (
    select (occurred_at at time zone (select shop_timezone()))::date as day
    from events
    where event_type = 'order'
) orders
group by month
order by month;
