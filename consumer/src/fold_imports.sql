-- Adds what the consumers appended to what is known of the imports.
with taken as (
    delete from import_deltas returning import_id, stored, duplicate, rejected
)
insert into imports as kept (import_id, rows_stored, rows_duplicate, rows_rejected)
select import_id, sum(stored)::bigint, sum(duplicate)::bigint, sum(rejected)::bigint
from taken
group by import_id
order by import_id
on conflict (import_id) do update set
    rows_stored = kept.rows_stored + excluded.rows_stored,
    rows_duplicate = kept.rows_duplicate + excluded.rows_duplicate,
    rows_rejected = kept.rows_rejected + excluded.rows_rejected
