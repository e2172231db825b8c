-- Orders and revenue by the places that they are from, to a tenth of a degree.
select city, state, country, latitude, longitude, sum(orders) as orders,
    coalesce(jsonb_object_agg(currency, amount::text) filter (where amount is not null), '{}') as amount
from (
    select city, state, country, round(latitude::numeric, 1) as latitude, round(longitude::numeric, 1) as longitude,
        currency, count(*) as orders, sum(revenue(e)) as amount
    from picked_events(:'from', :'to', :'filters') e
    where event_type = 'order' and city is not null
    group by 1, 2, 3, 4, 5, 6
) places
group by city, state, country, latitude, longitude
order by sum(orders) desc, city, state, country, latitude, longitude
limit :'limit';
