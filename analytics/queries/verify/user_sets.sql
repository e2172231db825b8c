-- The set of users that is kept of each cell and day, and the users of its events, with their numbers. A
-- set lags while some of its events are not folded yet. Days as in days.sql.
--
-- The key is user_key(user_id) written out, and computed but once a row (for which there is an offset):
-- else this takes four times as long.
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
        select *, encode(substring(sha256(convert_to(user_id, 'UTF8')) for 16), 'hex')::uuid as user_key
        from (
            select distinct event_type, product, site_version, source,
                case when revenue(e) is not null then currency end as currency,
                (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date as day,
                user_id
            from events e
        ) e
        offset 0
    ) e
    left join user_numbers using (user_key)
    group by event_type, product, site_version, source, currency, day
) recount using (place)
