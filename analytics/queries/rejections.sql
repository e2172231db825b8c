-- What was rejected, the latest first: why, and where it stands in the log or in an imported file.
--
-- $1 imports whose rejections are shown, null for all there are
-- $2 rejections at the most
-- $3 bytes of a payload at the most
select rejected_at as "rejected_at!", source, topic, partition, "offset", import_id, line, event_id, reason as "reason!",
    substring(payload for $3::integer) as payload,
    octet_length(payload) as payload_bytes
from rejected_events
where $1::uuid[] is null or import_id = any($1::uuid[])
order by rejected_at desc, line desc, "offset" desc
limit $2::bigint
