-- From when events occurred until they were stored, imports aside.
--
-- $1 no event that was stored before
select
    count(*) as "events!",
    coalesce(percentile_cont(array[0.5, 0.95, 0.99]) within group (
        order by greatest(0, extract(epoch from stored_at - occurred_at)) * 1000
    ), '{}') as "milliseconds!"
from events
where stored_at >= $1::timestamptz and import_id is null
