-- Orders and revenue by the places that they are from, most orders first. Coordinates are cut to a tenth of a degree,
-- some ten kilometres: a place is a city, and not a house.
--
-- $1, $2 half-open range, null for no bound
-- $3 zone, $4, $5 the same as dates, where days are no ranges of time; else null
-- $6 filters, as picked_events takes them
-- $7 places at the most
with o as (
    select e.city, e.state, e.country, round(e.latitude::numeric, 1) as latitude, round(e.longitude::numeric, 1) as longitude,
        case when revenue(e) is not null then e.currency end as currency, count(*) as orders, sum(revenue(e)) as amount
    from picked_events($1::timestamptz, $2::timestamptz, $6::jsonb) e
    where e.event_type = 'order' and is_detailed(e) and e.city is not null
        and ($4::date is null or (e.occurred_at at time zone $3::text)::date >= $4::date)
        and ($5::date is null or (e.occurred_at at time zone $3::text)::date < $5::date)
    group by 1, 2, 3, 4, 5, 6
)
select
    city as "city!", state, country, latitude::double precision as latitude, longitude::double precision as longitude,
    sum(orders)::bigint as "orders!",
    coalesce(jsonb_object_agg(currency, amount::text) filter (where currency is not null), '{}') as "amount!: Json<Amount>"
from o
group by city, state, country, latitude, longitude
order by sum(orders) desc, city, state, country, latitude, longitude
limit $7::bigint
