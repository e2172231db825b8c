-- For the rest of the transaction: how long a query may run, and the zone that times are written in.
--
-- $1 time, with its unit
-- $2 zone
select set_config('statement_timeout', $1::text, true) as timeout, set_config('timezone', $2::text, true) as tz
