-- The view daily_counts: events and revenue. Days as in days.sql.
select place, kept, recount
from (
    select
        row(day, event_type, product, site_version, source, currency)::text as place,
        row(events, amount) as kept
    from daily_counts
) kept
full join (
    select
        row(day, event_type, product, site_version, source, currency)::text as place,
        row(count(*), sum(amount)) as recount
    from (
        select event_type, product, site_version, source, revenue(e) as amount,
            case when revenue(e) is not null then currency end as currency,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date as day
        from events e
    ) e
    group by day, event_type, product, site_version, source, currency
) recount using (place)
