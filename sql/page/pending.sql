-- Stored events that the figures of distinct users do not have yet, and those that sessions do not.
select
    coalesce((select sum(events) from event_deltas), 0) as without_users,
    coalesce((select sum(events) from event_chunks where chunk_id > (select sessions_to from settings)), 0)
        as without_sessions;
