-- What a bulk load pays for its indexes.
--
-- A row in a B-tree of stored_at cost a load as much as half of the key's index did, and only the latest events
-- are found by it: blocks do for that.
drop index events_stored_at;
create index events_stored_at on events using brin (stored_at) with (pages_per_range = 32);

-- The consumer has new blocks summarized (consumer/src/fold.rs): autovacuum takes 256 requests a minute, and in
-- a flood each of the others is a line in the log.
alter index events_occurred_at set (autosummarize = off);

-- Some hundred thousand sessions are written in the order of their starts, so a range is of a day or two.
drop index user_sessions_started_at;
create index user_sessions_started_at on user_sessions using brin (started_at) with (pages_per_range = 32);

-- Most sessions have one event, and the first condition is the cheaper one.
drop index user_sessions_length;
create index user_sessions_length on user_sessions ((ended_at - started_at))
    where ended_at > started_at and date_part('microseconds', ended_at - started_at)::integer % 1000000 <> 0;

-- Starting processes takes longer than reading these, and in a flood the consumer needs the processors.
alter table cell_days set (parallel_workers = 0);
alter table event_deltas set (parallel_workers = 0);
