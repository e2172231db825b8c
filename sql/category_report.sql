-- Events, views, carts and orders of the ten largest categories; of electronics.video.tv it is electronics.
select split_part(category, '.', 1) as category, count(*) as events,
    count(*) filter (where event_type = 'product_view') as views,
    count(*) filter (where event_type = 'cart') as carts,
    count(*) filter (where event_type = 'order') as orders
from events
where category <> ''
group by 1
order by events desc, category
limit 10;
