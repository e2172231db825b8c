-- Of each product, the users who clicked its banner and never ordered it, most first.
select product, count(*) filter (where not ordered) as clicked_not_ordered, count(*) as clicked
from (
    select product, user_id, bool_or(event_type = 'order') as ordered
    from events
    where event_type in ('banner_click', 'order') and product is not null
    group by product, user_id
    having bool_or(event_type = 'banner_click')
) users
group by product
order by clicked_not_ordered desc, product;
