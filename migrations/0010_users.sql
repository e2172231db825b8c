-- What is known of users, and their orders beside it.
--
-- A user_update is an event like any other, so its row is all that is kept: users is a view of the latest one of
-- each user, by an index that finds these events among the others. Order of arrival, redelivery, a rebuild and the
-- deletion of an import then need no care. A load without such events pays a comparison a row for it.

-- not by user_id, which may be longer than an index takes
create index events_user_updates on events (occurred_at) where event_type = 'user_update';

-- A time that came as the milliseconds since the epoch; null for what is none.
--   select epoch_millis('1491293306724');  -- 2017-04-04 08:08:26.724 UTC
create function epoch_millis(value text) returns timestamptz
    language sql immutable parallel safe
    return case when value ~ '^[0-9]{1,14}$' then to_timestamp(value::bigint / 1000.0::float8) end;

-- A row a user of whom something was told: what the latest user_update says, all of it, and what only earlier
-- ones said is gone. Of two at the same moment the greater event_id is the later one, whichever came first.
create view users as
select distinct on (user_id)
    user_id,
    region,
    gender,
    age_group,
    membership_level,
    country,
    state,
    city,
    epoch_millis(attributes ->> 'registertime') as registered_at,
    occurred_at as updated_at,
    source,
    event_id,
    attributes
from events
where event_type = 'user_update'
order by user_id, occurred_at desc, event_id desc;

-- Every order with what is known of its user now; where the user is unknown, with what the order itself says.
--   select region, currency, sum(revenue) from orders_with_users group by region, currency;
create view orders_with_users as
select
    e.event_id,
    e.occurred_at,
    e.order_id,
    e.user_id,
    coalesce(u.region, e.region) as region,
    coalesce(u.gender, e.gender) as gender,
    coalesce(u.age_group, e.age_group) as age_group,
    coalesce(u.membership_level, e.membership_level) as membership_level,
    u.registered_at,
    e.product,
    e.product_name,
    e.brand,
    e.category,
    e.price,
    e.quantity,
    e.amount,
    revenue(e) as revenue,
    e.currency,
    e.status,
    e.country,
    e.state,
    e.city,
    e.source
from events e
left join users u on u.user_id = e.user_id
where e.event_type = 'order';

-- Orders and revenue by where users are and what gender they are of; of one currency a row, as all money is.
create view sales_by_region_and_gender as
select region, gender, currency, count(*) as orders, sum(revenue) as revenue, round(avg(revenue), 2) as per_order
from orders_with_users
group by region, gender, currency;

-- Every page view, at its real time.
create view page_views as
select event_id, occurred_at as viewed_at, user_id, page_id, session_id, source
from events
where event_type = 'page_view';
