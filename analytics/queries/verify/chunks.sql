-- What is kept of the events in columns, and what is not folded yet, by cells and days of the shop's zone:
-- how many they are, revenue, and a sum over users and times. Days as in days.sql.
select place, kept, recount
from (
    select
        row(event_type, product, site_version, source, currency, day)::text as place,
        row(count(*), sum(amount), sum(hashtextextended(user_id, (extract(epoch from occurred_at) * 1000000)::bigint))) as kept
    from (
        select cell_id, day, occurred_at, amount, user_id
        from chunk_visits
        join (
            select first_number + place - 1 as user_number, ids.user_id
            from user_ids, unnest(user_ids) with ordinality as ids(user_id, place)
        ) users using (user_number)
        union all
        select cell_id,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date,
            occurred_at, amount, user_id
        from delta_visits
    ) visits
    join cells using (cell_id)
    group by event_type, product, site_version, source, currency, day
) kept
full join (
    select
        row(event_type, product, site_version, source, currency, day)::text as place,
        row(count(*), sum(amount), sum(hashtextextended(user_id, (extract(epoch from occurred_at) * 1000000)::bigint))) as recount
    from (
        select event_type, product, site_version, source, occurred_at, user_id, revenue(e) as amount,
            case when revenue(e) is not null then currency end as currency,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date as day
        from events e
    ) e
    group by event_type, product, site_version, source, currency, day
) recount using (place)
