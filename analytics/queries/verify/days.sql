-- What is kept by cells and days of the shop's zone: events, revenue, the first and the last event. A
-- quarter of an hour is of the day in which it begins.
select place, kept, recount
from (
    select
        row(event_type, product, site_version, source, currency, day)::text as place,
        row(sum(d.events)::bigint, sum(d.amount), min(d.first_at), max(d.last_at)) as kept
    from day_cells d join cells using (cell_id)
    group by event_type, product, site_version, source, currency, day
) kept
full join (
    select
        row(event_type, product, site_version, source, currency, day)::text as place,
        row(count(*), sum(amount), min(occurred_at), max(occurred_at)) as recount
    from (
        select event_type, product, site_version, source, occurred_at, revenue(e) as amount,
            case when revenue(e) is not null then currency end as currency,
            (date_bin('15 minutes', occurred_at, timestamptz 'epoch') at time zone (select shop_timezone()))::date as day
        from events e
    ) e
    group by event_type, product, site_version, source, currency, day
) recount using (place)
