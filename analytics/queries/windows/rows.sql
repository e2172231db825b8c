-- Events, orders and revenue of each segment by a dimension, from the rows.
--
-- $1 what to read: rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 dimension, or null
-- $9 seconds that a segment has; they are numbered from the epoch
-- $10 or the dates at which segments begin, in order: number n is from element n + 1 up to the next one
with picked as (
    select
        case
            when $9::bigint is not null then floor(date_part('epoch', e.occurred_at) / $9::bigint)::bigint
            else width_bucket((e.occurred_at at time zone $2::text)::date, $10::date[])::bigint - 1
        end as segment,
        dimension(e, $8::text) as value,
        case when revenue(e) is not null then e.currency end as currency,
        e.event_type = 'order' as is_order,
        revenue(e) as amount
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where e.event_type <> 'user_update'
        and ($1::text <> 'dated rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
)
select
    segment as "segment!",
    value as "group",
    currency,
    count(*) as "events!",
    count(*) filter (where is_order) as "orders!",
    sum(amount)::text as amount
from picked
group by segment, value, currency
order by segment
