-- The imports, the newest first, with what is stored and not folded into them yet.
--
-- $1 imports at the most
select i.import_id as "import_id!", file_name, format, file_bytes, timezone, as_live as "as_live!", state as "state!",
    rows_read as "rows_read!",
    rows_published as "rows_published!",
    (rows_stored + coalesce(d.stored, 0))::bigint as "rows_stored!",
    (rows_duplicate + coalesce(d.duplicate, 0))::bigint as "rows_duplicate!",
    (rows_rejected + coalesce(d.rejected, 0))::bigint as "rows_rejected!",
    started_at as "started_at!",
    finished_at
from imports i
left join (
    select import_id, sum(stored) as stored, sum(duplicate) as duplicate, sum(rejected) as rejected
    from import_deltas
    group by import_id
) d using (import_id)
order by started_at desc, i.import_id
limit $1::bigint
