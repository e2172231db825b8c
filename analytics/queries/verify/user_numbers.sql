-- How many users have each number: one, from 0 on.
select 'number ' || number as place, kept, recount
from (
    select number, 1::bigint as kept
    from settings, generate_series(0, users - 1) as number
) kept
full join (
    select user_number as number, count(*) as recount
    from user_numbers
    group by user_number
) recount using (number)
