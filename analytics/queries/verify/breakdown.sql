-- What /api/breakdown tells of all events. Users lag where events are not folded yet.
--
-- $1 dimension
with e as not materialized (
    select dimension(events, $1::text) as value, event_type, currency, user_id, revenue(events) as amount
    from events
    where event_type <> 'user_update'
)
select value, event_type as "name!", count(*)::text as "recount!", false as "pending!"
from e
group by value, event_type
union all
select value, 'amount ' || currency, sum(amount)::text, false
from e
where amount is not null
group by value, currency
union all
select value, 'users', count(*)::text, exists (
    select
    from event_deltas join cells c using (cell_id)
    where c.event_type <> 'user_update'
        and users.value is not distinct from case $1::text
            when 'event_type' then c.event_type
            when 'product' then c.product
            when 'site_version' then c.site_version
            when 'source' then c.source
        end
)
from (select distinct value, user_id from e) users
group by value
