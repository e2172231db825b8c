-- What is stored of each import, and what of it was rejected, counted from the rows.
select import_id, coalesce(stored.rows, 0) as rows_stored, coalesce(rejected.rows, 0) as rows_rejected
from imports
left join (select import_id, count(*) as rows from events group by import_id) stored using (import_id)
left join (select import_id, count(*) as rows from rejected_events group by import_id) rejected using (import_id)
order by started_at desc, import_id
limit :'limit';
