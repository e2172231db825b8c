-- What a row of cell_days says in plain columns and what its arrays come to: events, revenue, the first
-- and the last event, and quarters that add something and have no first or last event.
select
    row(event_type, product, site_version, source, currency, day)::text as place,
    row(events, amount, first_at, last_at, 0::bigint) as kept,
    row(
        events_to[quarters]::bigint,
        amounts_to[quarters],
        quarter_start(first_quarter) + firsts[1] * interval '1 microsecond',
        quarter_start(first_quarter + quarters - 1) + lasts[quarters] * interval '1 microsecond',
        (
            select count(*)
            from generate_series(1, quarters) as n
            where (firsts[n] is null or lasts[n] is null)
                and (events_to[n] is distinct from events_to[n - 1] or amounts_to[n] is distinct from amounts_to[n - 1])
        )
    ) as recount
from cell_days
join cells using (cell_id)
cross join lateral (select cardinality(events_to) as quarters) length
