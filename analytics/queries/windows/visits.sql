-- Events, orders and revenue of each segment by a dimension, from the events in columns: for segments that
-- are no whole quarters of an hour, and for users.
--
-- $1 seconds that a segment has; they are numbered from the epoch
-- $2 or the instants at which segments begin, in order: number n is from element n + 1 up to the next one
-- $3, $4 half-open range
-- $5 filters, as picked_events takes them, of dimensions of cells and of user_id only
-- $6 such a dimension, or null
with kept as (
    select cell_id, event_type = 'order' as is_order, currency,
        case $6::text
            when 'event_type' then event_type
            when 'product' then product
            when 'site_version' then site_version
            when 'source' then source
        end as value
    from picked_cells($5::jsonb)
    where event_type <> 'user_update'
),
users as materialized (
    select user_number
    from user_numbers
    where user_key in (
        select encode(user_key(user_id), 'hex')::uuid from jsonb_array_elements_text($5::jsonb -> 'user_id') as user_id
    )
),
folded as (
    select
        case
            when $1::bigint is not null then floor(date_part('epoch', v.occurred_at) / $1::bigint)::bigint
            else width_bucket(v.occurred_at, $2::timestamptz[])::bigint - 1
        end as segment,
        k.value, case when $6::text = 'user_id' then v.user_number end as user_number, k.currency,
        count(*) as events, count(*) filter (where k.is_order) as orders, sum(v.amount) as amount
    from event_chunks c
    cross join unnest(c.times, c.cell_ids, c.user_numbers, c.amounts) as v(occurred_at, cell_id, user_number, amount)
    join kept k using (cell_id)
    where c.day between ($3::timestamptz at time zone 'UTC')::date - 2 and ($4::timestamptz at time zone 'UTC')::date + 2
        and c.last_at >= $3::timestamptz and c.first_at < $4::timestamptz
        and v.occurred_at >= $3::timestamptz and v.occurred_at < $4::timestamptz
        and ($5::jsonb -> 'user_id' is null or (
            -- most chunks have none of them
            exists (select from users where user_number = any(c.user_numbers))
            and v.user_number in (select user_number from users)
        ))
    group by 1, 2, 3, 4
),
parts as (
    select segment,
        case when user_number is null then value else (
            -- as user_id() does, which is not inlined
            select user_ids[user_number - first_number + 1]
            from user_ids
            where first_number <= user_number
            order by first_number desc
            limit 1
        ) end as value,
        currency, events, orders, amount
    from folded
    union all
    -- what is not folded yet
    select
        case
            when $1::bigint is not null then floor(date_part('epoch', d.occurred_at) / $1::bigint)::bigint
            else width_bucket(d.occurred_at, $2::timestamptz[])::bigint - 1
        end,
        case when $6::text = 'user_id' then d.user_id else k.value end,
        k.currency, 1, k.is_order::integer, d.amount
    from delta_visits d join kept k using (cell_id)
    where d.delta_last_at >= $3::timestamptz and d.delta_first_at < $4::timestamptz
        and d.occurred_at >= $3::timestamptz and d.occurred_at < $4::timestamptz
        and ($5::jsonb -> 'user_id' is null or $5::jsonb -> 'user_id' ? d.user_id)
)
select
    segment as "segment!",
    value as "group",
    currency,
    sum(events)::bigint as "events!",
    sum(orders)::bigint as "orders!",
    sum(amount)::text as amount
from parts
group by segment, value, currency
order by segment
