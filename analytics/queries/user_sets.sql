-- The sets of users that folds have written since another, and of what they are.
--
-- $1 that fold
select day, cell_id, first_at, last_at, users, fold
from cell_days
where fold > $1::bigint
order by fold
