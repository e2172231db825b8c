-- Stored events as JSON, newest stored first: what each of them holds, nulls left out, and where it
-- came from. Money is text, so that no reader takes it for binary floating point.
--
-- $1 what to read: rows or dated rows, as in daily.sql
-- $2 zone
-- $3, $4 half-open range, null for no bound
-- $5, $6 the same as dates where it was given so
-- $7 filters, as picked_events takes them
-- $8 the one event to find, or null
-- $9 events at the most
-- $10, $11 half-open range of the times of storing, null for no bound
select
    (
        select json_object_agg(key, value order by place)
        from json_each(row_to_json(found)) with ordinality as field (key, value, place)
        where json_typeof(value) <> 'null'
    ) as "event!: Json<Box<RawValue>>",
    found.stored_at as "stored_at!",
    found.topic as "topic!",
    found.partition as "partition!",
    found."offset" as "offset!"
from (
    select e as picked
    from picked_events($3::timestamptz, $4::timestamptz, $7::jsonb) e
    where ($1::text = 'rows' or (
            ($5::date is null or (e.occurred_at at time zone $2::text)::date >= $5::date)
            and ($6::date is null or (e.occurred_at at time zone $2::text)::date < $6::date)
        ))
        and ($8::uuid is null or e.event_id = $8::uuid)
        and ($10::timestamptz is null or e.stored_at >= $10::timestamptz)
        and ($11::timestamptz is null or e.stored_at < $11::timestamptz)
    order by e.stored_at desc, e.occurred_at desc, e.event_id
    limit $9::bigint
) newest,
lateral (
    select
        e.event_id,
        e.event_type,
        to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as occurred_at,
        e.user_id,
        e.source,
        e.session_id,
        e.page_id,
        e.product,
        e.site_version,
        e.order_id,
        e.product_id,
        e.product_name,
        e.brand,
        e.category,
        e.price::text as price,
        e.quantity,
        e.amount::text as amount,
        e.currency,
        e.status,
        e.payment_method,
        e.order_type,
        e.country,
        e.state,
        e.city,
        e.latitude,
        e.longitude,
        e.traffic_source,
        e.device,
        e.os,
        e.gender,
        e.age_group,
        e.membership_level,
        e.region,
        e.screen_size,
        e.display_type,
        e.resolution,
        e.import_id,
        e.attributes,
        to_char(e.stored_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as stored_at,
        e.topic,
        e.partition,
        e."offset"
    from (select (newest.picked).*) e
) found
order by found.stored_at desc, found.occurred_at desc, found.event_id
