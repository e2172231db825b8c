-- What /api/daily tells of all events.
--
-- $1 zone, or null for the shop's
with e as not materialized (
    select (occurred_at at time zone coalesce($1::text, (select shop_timezone())))::date as day, event_type, currency,
        revenue(events) as amount
    from events
    where event_type <> 'user_update'
)
select day as "day!", event_type as "name!", count(*)::text as "recount!"
from e
group by day, event_type
union all
select day, 'amount ' || currency, sum(amount)::text
from e
where amount is not null
group by day, currency
