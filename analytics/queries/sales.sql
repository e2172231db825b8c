-- What orders brought in and what became of them, by the values of a dimension: largest revenue first, in the
-- currency that has most of it. Amounts, prices and states are details, so only orders with details are read.
--
-- $1 dimension; none: all together
-- $2, $3 half-open range, null for no bound
-- $4 zone, $5, $6 the same as dates, where days are no ranges of time; else null
-- $7 filters, as picked_events takes them
with o as (
    select dimension(e, $1::text) as value, e.currency, e.amount as asked, revenue(e) as amount, e.price, e.quantity,
        failed(e.status) is true as failed
    from picked_events($2::timestamptz, $3::timestamptz, $7::jsonb) e
    where e.event_type = 'order' and is_detailed(e)
        and ($5::date is null or (e.occurred_at at time zone $4::text)::date >= $5::date)
        and ($6::date is null or (e.occurred_at at time zone $4::text)::date < $6::date)
),
summed as (
    select value, currency,
        count(amount) as sold,
        count(*) filter (where failed) as failed,
        sum(quantity) filter (where amount is not null) as units,
        sum(amount) as amount,
        sum(asked) filter (where failed) as lost,
        round(avg(amount), 2) as average_order,
        round(avg(price) filter (where not failed), 2) as average_price
    from o
    group by value, currency
),
main as (
    select currency from summed group by currency order by sum(amount) desc nulls last, currency limit 1
)
select
    value,
    sum(sold)::bigint as "sold!",
    sum(failed)::bigint as "failed!",
    sum(units)::bigint as units,
    coalesce(jsonb_object_agg(currency, lost::text) filter (where lost is not null and currency is not null), '{}') as "lost!: Json<Amount>",
    coalesce(jsonb_object_agg(currency, average_order::text) filter (where average_order is not null), '{}') as "average_order!: Json<Amount>",
    coalesce(jsonb_object_agg(currency, average_price::text) filter (where average_price is not null), '{}') as "average_price!: Json<Amount>"
from summed
group by value
order by max(amount) filter (where currency = (select main.currency from main)) desc nulls last,
    sum(sold) desc, value collate "C" nulls last
