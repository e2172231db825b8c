-- What was rejected, the latest first; payload holds the message or the line.
select rejected_at, reason, source, topic, partition, "offset", import_id, line, event_id
from rejected_events
where :'filters'::jsonb -> 'import_id' is null or :'filters'::jsonb -> 'import_id' ? import_id::text
order by rejected_at desc, line desc, "offset" desc
limit :'limit';
