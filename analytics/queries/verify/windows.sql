-- What /api/windows tells of all events, or of those of a day of the shop's zone.
--
-- $1 size
-- $2 advance
-- $3 dimension, or null
-- $4 day, or null
with found as (
    select window_start, window_end, "group", events, orders, amount
    from hopping(
        $1::text::interval, $2::text::interval,
        day_start($4::date, shop_timezone()), day_start($4::date + 1, shop_timezone()),
        $3::text
    )
)
select window_start as "window_start!", window_end as "window_end!", "group", 'events' as "name!", events::text as "recount!"
from found
union all
select window_start, window_end, "group", 'orders', orders::text
from found
where orders > 0
union all
select window_start, window_end, "group", 'amount ' || currency, sum
from found, jsonb_each_text(amount) as each (currency, sum)
