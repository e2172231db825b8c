-- Events and users of each stage from a view to an order, and users in percent of those of the stage before.
select stage, count(*) as events, count(distinct user_id) as users,
    round(100.0 * count(distinct user_id) / lag(count(distinct user_id)) over (order by stage), 2) as of_the_stage_before
from (
    select user_id, case
        when event_type in ('banner_show', 'page_view', 'product_view') then '1 view'
        when event_type in ('banner_click', 'cart') then '2 interest'
        when event_type = 'order' then '3 order'
    end as stage
    from events
) staged
where stage is not null
group by stage
order by stage;
