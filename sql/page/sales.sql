-- Orders by the values of a dimension: how many brought something in, how many failed, revenue, averages and customers;
-- largest revenue first, in the currency that has most of it.
with e as not materialized (
    select dimension(e, :'by') as value, e.user_id, e.currency, e.amount as asked, revenue(e) as amount, e.price,
        e.quantity, failed(e.status) is true as failed
    from picked_events(:'from', :'to', :'filters') e
    where e.event_type = 'order'
),
customers as (
    select value, count(*) as orders, count(distinct user_id) as users from e group by value
),
money as (
    select value, currency, count(amount) as sold, count(*) filter (where failed) as failed,
        sum(quantity) filter (where amount is not null) as units, sum(amount) as amount,
        sum(asked) filter (where failed) as lost, round(avg(amount), 2) as average_order,
        round(avg(price) filter (where not failed), 2) as average_price
    from e
    group by value, currency
),
main as (
    select currency from money group by currency order by sum(amount) desc nulls last, currency limit 1
)
select
    customers.value, orders, users,
    coalesce(jsonb_object_agg(currency, amount::text) filter (where amount is not null), '{}') as amount,
    sum(sold) as sold, sum(failed) as failed, sum(units) as units,
    coalesce(jsonb_object_agg(currency, lost::text) filter (where lost is not null and currency is not null), '{}') as lost,
    coalesce(jsonb_object_agg(currency, average_order::text) filter (where average_order is not null), '{}') as average_order,
    coalesce(jsonb_object_agg(currency, average_price::text) filter (where average_price is not null), '{}') as average_price
from customers
join money on money.value is not distinct from customers.value
group by customers.value, orders, users
order by max(money.amount) filter (where currency = (select main.currency from main)) desc nulls last, sum(sold) desc,
    orders desc, customers.value collate "C" nulls last
limit :'limit';
