-- Orders of each product a day; days without any are left out.
select (e.occurred_at at time zone :'tz')::date as day, e.product, count(*) as "order"
from picked_events(:'from', :'to', :'filters') e
where e.event_type = 'order'
group by day, e.product
order by day, "order" desc, e.product;
