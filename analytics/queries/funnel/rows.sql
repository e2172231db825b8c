-- Events and users by the stages of a funnel and the values of a dimension, from the rows; left are users who came
-- to no later stage.
--
-- $1 what to count: rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 dimension, or null
with visits as (
    select value, user_id, stage, count(*) as events, max(stage) over (partition by value, user_id) as furthest
    from (
        select dimension(e, $8::text) as value, e.user_id, funnel_stage(e.event_type) as stage
        from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
        where funnel_stage(e.event_type) is not null
            and ($8::text is null or dimension(e, $8::text) is not null)
            and ($8::text is null or not $8::text = any(detail_dimensions()) or is_detailed(e))
            and ($1::text <> 'dated rows' or (
                ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
                and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
            ))
    ) e
    group by value, user_id, stage
)
select value, stage as "stage!", sum(events)::bigint as "events!", count(*) as "users!",
    count(*) filter (where stage = furthest) as "left!"
from visits
group by value, stage
