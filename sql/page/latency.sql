-- From when the events of the last five minutes occurred until they were stored, imports aside.
select count(*) as events,
    percentile_cont(0.5) within group (order by milliseconds) as p50_ms,
    percentile_cont(0.95) within group (order by milliseconds) as p95_ms,
    percentile_cont(0.99) within group (order by milliseconds) as p99_ms
from (
    select greatest(0, extract(epoch from stored_at - occurred_at)) * 1000 as milliseconds
    from events
    where stored_at >= now() - interval '5 minutes' and import_id is null
) lately;
