-- How the pipeline does: what became of the messages, what figures lag by, and how big the database is.
select
    coalesce((select sum(stored)::bigint from consumer_offsets), 0) as "stored!",
    coalesce((select sum(duplicate)::bigint from consumer_offsets), 0) as "duplicate!",
    coalesce((select sum(rejected)::bigint from consumer_offsets), 0) as "rejected!",
    coalesce((select sum(late)::bigint from consumer_offsets), 0) as "late!",
    (select max(updated_at) from consumer_offsets) as updated_at,
    coalesce((select sum(events)::bigint from event_deltas), 0) as "without_users!",
    coalesce((select sum(events)::bigint from event_chunks where chunk_id > (select sessions_to from settings)), 0)
        as "without_sessions!",
    pg_database_size(current_database()) as "database_bytes!",
    pg_total_relation_size('events') as "events_bytes!",
    (select count(*) from pg_stat_activity where datname = current_database()) as "connections!",
    current_setting('server_version') as "version!"
