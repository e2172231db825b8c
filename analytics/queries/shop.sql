-- The shop's calendar: its zone, today there, and the instant when the date changes.
with shop as (
    select shop_timezone() as tz, now() as moment, (now() at time zone shop_timezone())::date as today
)
select
    tz as "tz!",
    moment as "now!",
    today as "today!",
    (
        select min(quarter)
        -- past the longest day, at quarters of an hour, where every zone changes its date
        from generate_series(1, 200) as n, quarter_start(floor(extract(epoch from moment) / 900)::integer + n) as quarter
        where (quarter at time zone tz)::date > today
    ) as "tomorrow_starts_at!",
    (
        select coalesce(sum(events), 0)::bigint
        from (
            select events from cell_days join cells using (cell_id) where day = today and event_type = 'order'
            union all
            select 1 from delta_events join cells using (cell_id)
            where event_type = 'order'
                -- most of a bulk load is long ago
                and delta_last_at > moment - interval '2 days'
                and (occurred_at at time zone tz)::date = today
            union all
            -- where nothing is kept yet
            select count(*) from events
            where (select kept_timezone is distinct from timezone from settings)
                and event_type = 'order'
                and occurred_at > moment - interval '2 days'
                and (occurred_at at time zone tz)::date = today
        ) todays
    ) as "orders_today!",
    exists (select from events) as "has_events!"
from shop
