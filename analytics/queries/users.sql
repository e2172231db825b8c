-- Distinct users by the values of a dimension, from the rows; all in one where there is no dimension.
--
-- $1 what to count: rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 dimension, or null
select value, count(*) as "users!"
from (
    select distinct dimension(e, $8::text) as value, e.user_id
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where e.event_type <> 'user_update'
        and ($1::text <> 'dated rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
) users
group by value
