-- When days begin in a zone, in the order of the days; one that the zone never had begins with the next.
--
-- $1 days
-- $2 zone
select day as "date!", day_start(day, $2::text) as "instant!"
from unnest($1::date[]) as day
order by day
