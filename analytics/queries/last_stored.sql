-- When an event was stored that is among the last: the newest of the table's last blocks, which only a deletion lets
-- others follow. A vacuum may leave a thousand empty ones at the end. Where all are, when the consumer was last at work.
select coalesce(
    (
        select max(stored_at)
        from events
        where ctid >= (
            select format('(%s,0)', greatest(pg_relation_size('events') / current_setting('block_size')::bigint - 1100, 0))::tid
        )
    ),
    (select max(updated_at) from consumer_offsets)
)
