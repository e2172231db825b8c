-- What /api/totals tells of all events, or of each month of the shop's zone. Users lag where events are
-- not folded yet.
--
-- $1 whether by month
with e as not materialized (
    select event_type, currency, user_id, occurred_at, revenue(events) as amount,
        case when $1::boolean then to_char(occurred_at at time zone (select shop_timezone()), 'YYYY-MM') end as month
    from events
)
select month, 'events ' || event_type as "name!", count(*)::text as "recount!", false as "pending!"
from e
where event_type <> 'user_update'
group by month, event_type
union all
select month, 'amount ' || currency, sum(amount)::text, false
from e
where amount is not null
group by month, currency
union all
select month, 'users', count(*)::text, exists (
    select
    from delta_events d join cells using (cell_id)
    where event_type <> 'user_update'
        and (month is null or month = to_char(d.occurred_at at time zone (select shop_timezone()), 'YYYY-MM'))
)
from (select distinct month, user_id from e where event_type <> 'user_update') users
group by month
union all
select month, 'sessions', count(*)::text,
    exists (select from event_deltas join cells using (cell_id) where event_type <> 'user_update')
        or exists (select from event_chunks, settings where chunk_id > sessions_to)
from (
    select case when $1::boolean then to_char(window_start at time zone (select shop_timezone()), 'YYYY-MM') end as month
    from sessions((select session_gap from settings), null, null)
) sessions
group by month
union all
select month, name, to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), false
from (select month, min(occurred_at) as first, max(occurred_at) as last from e group by month) ends
cross join lateral (values ('first', first), ('last', last)) as figure(name, moment)
