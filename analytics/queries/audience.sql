-- Users and their events by what the latest user_update of each user says of them, whenever that was; most users
-- first. Users of whom it does not say it are left out.
--
-- $1 what to count: rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 region, gender, age_group or membership_level
-- $9 values at the most
with told as (
    select user_id,
        case $8::text
            when 'region' then region
            when 'gender' then gender
            when 'age_group' then age_group
            when 'membership_level' then membership_level
        end as value
    from users
)
select value as "value!", count(*) as "users!", sum(events)::bigint as "events!"
from (
    select told.value, e.user_id, count(*) as events
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    join told on told.user_id = e.user_id
    where told.value is not null
        and e.event_type <> 'user_update'
        and ($1::text <> 'dated rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by told.value, e.user_id
) seen
group by value
order by count(*) desc, sum(events) desc, value collate "C"
limit $9::bigint
