-- The shop's gap, the one that the kept sessions are cut by, and from when to when there are events that
-- are in none of them yet and may belong to sessions of the range.
--
-- $1 start of the range, null for no bound
select
    (extract(epoch from session_gap) * 1000000)::bigint as "gap!",
    (extract(epoch from kept_gap) * 1000000)::bigint as kept_gap,
    least(d.first_at, c.first_at) as pending_from,
    greatest(d.last_at, c.last_at) as pending_to
from settings,
    lateral (
        select min(first_at) as first_at, max(last_at) as last_at
        from event_deltas join cells using (cell_id)
        where event_type <> 'user_update'
            and ($1::timestamptz is null or last_at >= $1::timestamptz - session_gap)
    ) d,
    lateral (
        select min(first_at) as first_at, max(last_at) as last_at
        from event_chunks
        where chunk_id > sessions_to
            and ($1::timestamptz is null or last_at >= $1::timestamptz - session_gap)
    ) c
