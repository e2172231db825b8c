-- Orders and revenue of the users who ordered: first those asked for, then whoever ordered most.
--
-- $1, $2 half-open range, null for no bound
-- $3 zone, $4, $5 the same as dates, where days are no ranges of time; else null
-- $6 filters, as picked_events takes them
-- $7 the users asked for
-- $8 users at the most
with summed as (
    select e.user_id, case when revenue(e) is not null then e.currency end as currency, count(*) as orders, sum(revenue(e)) as amount
    from picked_events($1::timestamptz, $2::timestamptz, $6::jsonb) e
    where e.event_type = 'order'
        and ($4::date is null or (e.occurred_at at time zone $3::text)::date >= $4::date)
        and ($5::date is null or (e.occurred_at at time zone $3::text)::date < $5::date)
    group by 1, 2
),
users as (
    select user_id, sum(orders) as orders from summed group by user_id
),
picked as (
    select users.user_id, users.orders
    from users left join unnest($7::text[]) as asked(user_id) using (user_id)
    order by asked.user_id is null, users.orders desc, users.user_id collate "C"
    limit $8::bigint
)
select
    user_id as "value?",
    max(picked.orders)::bigint as "orders!",
    1::bigint as "users!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from picked join summed using (user_id)
group by user_id
order by 2 desc, user_id collate "C"
