-- Orders and revenue of the users who ordered: first those asked for, then whoever ordered most.
--
-- $1, $2 half-open range, null for no bound
-- $3 zone, $4, $5 the same as dates, where days are no ranges of time; else null
-- $6 filters, as picked_events takes them
-- $7 the users asked for
-- $8 users at the most
with counted as (
    -- without another filter, an index knows the users of all orders; it does not hold the type
    select e.user_id, count(*) as orders
    from picked_events($1::timestamptz, $2::timestamptz, $6::jsonb - 'event_type') e
    where e.event_type = 'order' and $6::jsonb -> 'event_type' ? 'order'
        and ($4::date is null or (e.occurred_at at time zone $3::text)::date >= $4::date)
        and ($5::date is null or (e.occurred_at at time zone $3::text)::date < $5::date)
    group by e.user_id
),
picked as (
    select counted.user_id, counted.orders
    from counted left join unnest($7::text[]) as asked(user_id) using (user_id)
    order by asked.user_id is null, counted.orders desc, counted.user_id collate "C"
    limit $8::bigint
),
-- only orders with details have an amount
summed as (
    select e.user_id, e.currency, sum(revenue(e)) as amount
    from picked_events($1::timestamptz, $2::timestamptz, $6::jsonb) e join picked using (user_id)
    where e.event_type = 'order' and is_detailed(e) and e.currency is not null and revenue(e) is not null
        and ($4::date is null or (e.occurred_at at time zone $3::text)::date >= $4::date)
        and ($5::date is null or (e.occurred_at at time zone $3::text)::date < $5::date)
    group by e.user_id, e.currency
)
select
    user_id as "value?",
    orders as "orders!",
    1::bigint as "users!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from picked left join summed using (user_id)
group by user_id, orders
order by orders desc, user_id collate "C"
