-- Views, carts, orders and revenue of each brand, and carts and orders in percent of its views.
select brand, currency, views, carts, orders, revenue,
    round(100.0 * carts / nullif(views, 0), 2) as view_to_cart_rate,
    round(100.0 * orders / nullif(views, 0), 2) as view_to_order_rate
from (
    select brand, currency, sum(revenue(e)) as revenue,
        count(*) filter (where event_type = 'product_view') as views,
        count(*) filter (where event_type = 'cart') as carts,
        count(*) filter (where event_type = 'order') as orders
    from events e
    where brand is not null
    group by brand, currency
) brands
order by revenue desc nulls last, views desc, brand;
