-- The days of sessions that have changed since a fold.
--
-- $1 that fold
select day, sessions, events, with_order, first_start, last_start, seconds, sessions_of, fractional,
    fraction_micros, users, fold
from session_days
where fold > $1::bigint
order by fold
