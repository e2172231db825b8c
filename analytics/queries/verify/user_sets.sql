-- The set of users that is kept of each cell and day, and the users of its events, with their numbers. A
-- set lags while some of its events are not folded yet. Days as in days.sql.
select
    place as "place!",
    kept.users as kept,
    recount.users as recount,
    recount.numbers,
    place in (
        select row(event_type, product, site_version, source, currency,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date)::text
        from delta_events join cells using (cell_id)
    ) as "pending!"
from (
    select row(event_type, product, site_version, source, currency, day)::text as place, users
    from cell_days join cells using (cell_id)
) kept
full join (
    select row(event_type, product, site_version, source, currency, day)::text as place, count(*) as users,
        array_agg(user_number) filter (where user_number is not null) as numbers
    from (
        select distinct event_type, product, site_version, source,
            case when revenue(e) is not null then currency end as currency,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date as day,
            user_id
        from events e
    ) e
    left join user_numbers on user_key = encode(user_key(user_id), 'hex')::uuid
    group by event_type, product, site_version, source, currency, day
) recount using (place)
