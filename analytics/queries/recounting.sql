-- For the rest of the transaction: how long a query may run, the zone that times are written in, and room to tell
-- millions of users apart without going to disk for each.
--
-- $1 time, with its unit
-- $2 zone
select
    set_config('statement_timeout', $1::text, true) as timeout,
    set_config('timezone', $2::text, true) as tz,
    set_config('work_mem', '64MB', true) as memory
