-- Events of each type and revenue by the hours of a zone's week, from Monday (1) to Sunday; hours without events are
-- left out.
--
-- $1 what to count: days, quarters, rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
with kept as (
    select cell_id, event_type, currency
    from picked_cells($7::jsonb)
    where event_type <> 'user_update'
),
-- by quarters of an hour first, of which the hours of every zone are made and there are few
quarters as (
    select q.quarter, k.event_type, k.currency, sum(q.events) as events, sum(q.amount) as amount
    from quarter_cells q join kept k using (cell_id)
    where $1::text in ('days', 'quarters')
        and ($3::timestamptz is null or q.quarter >= quarter_of($3::timestamptz))
        and ($4::timestamptz is null or q.quarter < quarter_of($4::timestamptz))
    group by 1, 2, 3
    union all
    select quarter_of(e.occurred_at), e.event_type, case when revenue(e) is not null then e.currency end, count(*), sum(revenue(e))
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where $1::text in ('rows', 'dated rows') and e.event_type <> 'user_update'
        and ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
    group by 1, 2, 3
),
hours as (
    select extract(isodow from local)::integer as weekday, extract(hour from local)::integer as hour,
        event_type, currency, sum(events) as events, sum(amount) as amount
    from quarters, lateral (select quarter_start(quarter) at time zone $2::text as local) l
    group by 1, 2, 3, 4
)
select
    weekday as "weekday!",
    hour as "hour!",
    coalesce(sum(events) filter (where event_type = 'banner_show'), 0)::bigint as "banner_show!",
    coalesce(sum(events) filter (where event_type = 'banner_click'), 0)::bigint as "banner_click!",
    coalesce(sum(events) filter (where event_type = 'page_view'), 0)::bigint as "page_view!",
    coalesce(sum(events) filter (where event_type = 'product_view'), 0)::bigint as "product_view!",
    coalesce(sum(events) filter (where event_type = 'cart'), 0)::bigint as "cart!",
    coalesce(sum(events) filter (where event_type = 'cart_remove'), 0)::bigint as "cart_remove!",
    coalesce(sum(events) filter (where event_type = 'order'), 0)::bigint as "order!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from hours
group by weekday, hour
order by weekday, hour
