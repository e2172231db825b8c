-- Events of each type and revenue by the hours of the week, from Monday (1) to Sunday.
select
    weekday,
    hour,
    coalesce(sum(events) filter (where name = 'banner_show'), 0) as banner_show,
    coalesce(sum(events) filter (where name = 'banner_click'), 0) as banner_click,
    coalesce(sum(events) filter (where name = 'page_view'), 0) as page_view,
    coalesce(sum(events) filter (where name = 'product_view'), 0) as product_view,
    coalesce(sum(events) filter (where name = 'cart'), 0) as cart,
    coalesce(sum(events) filter (where name = 'cart_remove'), 0) as cart_remove,
    coalesce(sum(events) filter (where name = 'order'), 0) as "order",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as amount
from (
    select
        extract(isodow from e.occurred_at at time zone :'tz') as weekday,
        extract(hour from e.occurred_at at time zone :'tz') as hour,
        e.event_type as name,
        case when revenue(e) is not null then e.currency end as currency,
        count(*) as events,
        sum(revenue(e)) as amount
    from picked_events(:'from', :'to', :'filters') e
    where e.event_type <> 'user_update'
    group by 1, 2, 3, 4
) counted
group by weekday, hour
order by weekday, hour;
