-- Distinct users of the events with details by the values of a dimension; of those without a value the numbers
-- too, as far as folds have numbered them.
--
-- $1 dimension
-- $2, $3 half-open range, null for no bound
-- $4 filters, as picked_events takes them
with visits as materialized (
    select distinct dimension(e, $1::text) as value, e.user_id
    from picked_events($2::timestamptz, $3::timestamptz, $4::jsonb) e
    where is_detailed(e) and e.event_type <> 'user_update'
)
select value, count(*) as "users!",
    case when value is null then array(
        select user_number
        from visits v
        join user_numbers on user_key = encode(user_key(v.user_id), 'hex')::uuid
        where v.value is null
    ) end as numbers
from visits
group by value
