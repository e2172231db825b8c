-- What is kept by cells and quarters of an hour: events, revenue, the first and the last event.
select place, kept, recount
from (
    select
        row(event_type, product, site_version, source, currency, quarter_start(quarter))::text as place,
        row(sum(q.events)::bigint, sum(q.amount), min(q.first_at), max(q.last_at)) as kept
    from quarter_cells q join cells using (cell_id)
    group by event_type, product, site_version, source, currency, quarter
) kept
full join (
    select
        row(event_type, product, site_version, source, currency, quarter)::text as place,
        row(count(*), sum(amount), min(occurred_at), max(occurred_at)) as recount
    from (
        select event_type, product, site_version, source, occurred_at, revenue(e) as amount,
            case when revenue(e) is not null then currency end as currency,
            date_bin('15 minutes', occurred_at, timestamptz 'epoch') as quarter
        from events e
    ) e
    group by event_type, product, site_version, source, currency, quarter
) recount using (place)
