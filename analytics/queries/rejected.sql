-- The latest rejection of an event: why, and where it stands in the log or in an imported file.
--
-- $1 event
select reason as "reason!", rejected_at as "rejected_at!", topic, partition, "offset", import_id, line
from rejected_events
where event_id = $1::uuid
order by rejected_at desc
limit 1
