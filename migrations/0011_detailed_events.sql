-- Events with details: of a kind or with columns that a replayed log of banners does not have.
--
-- A question about brands or states concerns them alone, and they may be few among millions of banners. The
-- index holds no others, which cost no more than a look at their nulls.

-- The dimensions that only events with details have a value of.
create function detail_dimensions() returns text[]
    language sql immutable parallel safe
    return array[
        'session_id', 'order_id', 'product_id', 'product_name', 'brand', 'category', 'currency', 'status',
        'payment_method', 'order_type', 'country', 'state', 'city', 'traffic_source', 'device', 'os',
        'gender', 'age_group', 'membership_level', 'region', 'screen_size', 'display_type', 'resolution'
    ];

create function is_detailed(e events) returns boolean
    language sql immutable parallel safe
    return e.event_type not in ('banner_show', 'banner_click', 'order')
        or e.session_id is not null
        or e.order_id is not null
        or e.product_id is not null
        or e.product_name is not null
        or e.brand is not null
        or e.category is not null
        or e.currency is not null
        or e.status is not null
        or e.payment_method is not null
        or e.order_type is not null
        or e.country is not null
        or e.state is not null
        or e.city is not null
        or e.traffic_source is not null
        or e.device is not null
        or e.os is not null
        or e.gender is not null
        or e.age_group is not null
        or e.membership_level is not null
        or e.region is not null
        or e.screen_size is not null
        or e.display_type is not null
        or e.resolution is not null;

create index events_detailed on events (occurred_at) where is_detailed(events);

-- As before, and where only events with details can pass, only these are read.
create or replace function picked_events(starting timestamptz, ending timestamptz, filters jsonb) returns setof events
    language sql stable parallel safe
begin atomic
    select * from events e
    where (not filters ?| detail_dimensions() or is_detailed(e))
      -- the other types are all of events that are detailed
      and (filters -> 'event_type' is null
          or filters -> 'event_type' ?| array['banner_show', 'banner_click', 'order'] or is_detailed(e))
      and (starting is null or e.occurred_at >= starting)
      and (ending is null or e.occurred_at < ending)
      and (filters -> 'event_type' is null or filters -> 'event_type' ? e.event_type)
      and (filters -> 'product' is null or filters -> 'product' ? e.product)
      and (filters -> 'site_version' is null or filters -> 'site_version' ? e.site_version)
      and (filters -> 'source' is null or filters -> 'source' ? e.source)
      and (filters -> 'user_id' is null or filters -> 'user_id' ? e.user_id)
      and (filters -> 'session_id' is null or filters -> 'session_id' ? e.session_id)
      and (filters -> 'page_id' is null or filters -> 'page_id' ? e.page_id)
      and (filters -> 'order_id' is null or filters -> 'order_id' ? e.order_id)
      and (filters -> 'product_id' is null or filters -> 'product_id' ? e.product_id)
      and (filters -> 'product_name' is null or filters -> 'product_name' ? e.product_name)
      and (filters -> 'brand' is null or filters -> 'brand' ? e.brand)
      and (filters -> 'category' is null or filters -> 'category' ? e.category)
      and (filters -> 'currency' is null or filters -> 'currency' ? e.currency)
      and (filters -> 'status' is null or filters -> 'status' ? e.status)
      and (filters -> 'payment_method' is null or filters -> 'payment_method' ? e.payment_method)
      and (filters -> 'order_type' is null or filters -> 'order_type' ? e.order_type)
      and (filters -> 'country' is null or filters -> 'country' ? e.country)
      and (filters -> 'state' is null or filters -> 'state' ? e.state)
      and (filters -> 'city' is null or filters -> 'city' ? e.city)
      and (filters -> 'traffic_source' is null or filters -> 'traffic_source' ? e.traffic_source)
      and (filters -> 'device' is null or filters -> 'device' ? e.device)
      and (filters -> 'os' is null or filters -> 'os' ? e.os)
      and (filters -> 'gender' is null or filters -> 'gender' ? e.gender)
      and (filters -> 'age_group' is null or filters -> 'age_group' ? e.age_group)
      and (filters -> 'membership_level' is null or filters -> 'membership_level' ? e.membership_level)
      and (filters -> 'region' is null or filters -> 'region' ? e.region)
      and (filters -> 'screen_size' is null or filters -> 'screen_size' ? e.screen_size)
      and (filters -> 'display_type' is null or filters -> 'display_type' ? e.display_type)
      and (filters -> 'resolution' is null or filters -> 'resolution' ? e.resolution)
      and (filters -> 'import_id' is null or filters -> 'import_id' ? e.import_id::text);
end;
