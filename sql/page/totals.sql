-- Events of each type, revenue, users, and the first and the last event. Changes of users count for the last two only.
with e as not materialized (
    select e.event_type, e.user_id, e.occurred_at, revenue(e) as amount,
        case when revenue(e) is not null then e.currency end as currency
    from picked_events(:'from', :'to', :'filters') e
),
counted as (
    select event_type as name, currency, count(*) as events, sum(amount) as amount, min(occurred_at) as first, max(occurred_at) as last
    from e
    group by event_type, currency
)
select
    coalesce(sum(events) filter (where name = 'banner_show'), 0) as banner_show,
    coalesce(sum(events) filter (where name = 'banner_click'), 0) as banner_click,
    coalesce(sum(events) filter (where name = 'page_view'), 0) as page_view,
    coalesce(sum(events) filter (where name = 'product_view'), 0) as product_view,
    coalesce(sum(events) filter (where name = 'cart'), 0) as cart,
    coalesce(sum(events) filter (where name = 'cart_remove'), 0) as cart_remove,
    coalesce(sum(events) filter (where name = 'order'), 0) as "order",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as amount,
    (select count(*) from (select distinct user_id from e where event_type <> 'user_update') users) as users,
    min(first) as first,
    max(last) as last
from counted;
