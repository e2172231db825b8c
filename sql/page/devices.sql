-- Events of each type, revenue and users of each product on each kind of device, largest first.
with e as not materialized (
    select e.product, e.site_version, e.event_type, e.user_id, revenue(e) as amount,
        case when revenue(e) is not null then e.currency end as currency
    from picked_events(:'from', :'to', :'filters') e
    where e.event_type <> 'user_update'
),
counted as (
    select product, site_version, event_type as name, currency, count(*) as events, sum(amount) as amount
    from e
    group by product, site_version, event_type, currency
    union all
    select product, site_version, 'users', null, count(*), null
    from (select distinct product, site_version, user_id from e) users
    group by product, site_version
)
select
    product,
    site_version,
    coalesce(sum(events) filter (where name = 'banner_show'), 0) as banner_show,
    coalesce(sum(events) filter (where name = 'banner_click'), 0) as banner_click,
    coalesce(sum(events) filter (where name = 'page_view'), 0) as page_view,
    coalesce(sum(events) filter (where name = 'product_view'), 0) as product_view,
    coalesce(sum(events) filter (where name = 'cart'), 0) as cart,
    coalesce(sum(events) filter (where name = 'cart_remove'), 0) as cart_remove,
    coalesce(sum(events) filter (where name = 'order'), 0) as "order",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as amount,
    sum(events) filter (where name = 'users') as users
from counted
group by product, site_version
order by sum(events) filter (where name <> 'users') desc, product, site_version;
