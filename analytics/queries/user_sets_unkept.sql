-- The sets of users of some cells in a range, and of what they are.
--
-- $1 cells
-- $2, $3 half-open range, null for no bound
select cell_id, first_at, last_at, users
from cell_days
where cell_id = any($1::int[])
    and ($2::timestamptz is null or last_at >= $2::timestamptz)
    and ($3::timestamptz is null or first_at < $3::timestamptz)
