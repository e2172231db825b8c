-- The number of kept figures that differ from a recount of the rows.
with kept as (
    select event_type, product, site_version, source, currency, quarter, sum(events)::bigint as events,
        sum(amount) as amount, min(first_at) as first_at, max(last_at) as last_at
    from quarter_cells join cells using (cell_id) group by 1, 2, 3, 4, 5, 6
), recount as (
    select event_type, product, site_version, source,
        case when revenue(e) is not null then currency end as currency,
        floor(extract(epoch from occurred_at) / 900)::int as quarter, count(*) as events,
        sum(revenue(e)) as amount, min(occurred_at) as first_at, max(occurred_at) as last_at
    from events e group by 1, 2, 3, 4, 5, 6
), recounted_days as (
    select (occurred_at at time zone (select shop_timezone()))::date, event_type, product, site_version, source,
        count(*) as events, case when revenue(e) is not null then currency end, sum(revenue(e))
    from events e group by 1, 2, 3, 4, 5, 7
), offsets as (
    select topic, partition, sum(next_offset)::bigint as next_offset, sum(stored)::bigint as stored,
        sum(stored + duplicate + rejected + dropped)::bigint as messages
    from consumer_offsets group by 1, 2
), recounted_offsets as (
    select topic, partition, max(last) as last, sum(stored) as stored
    from (
        select topic, partition, max("offset") as last, count(*) as stored from events group by 1, 2
        union all
        select topic, partition, null, stored from deleted_rows
    ) r
    group by 1, 2
)
select (select count(*) from (table kept except table recount) a)
     + (select count(*) from (table recount except table kept) b)
     + (select count(*) from (table daily_counts except table recounted_days) c)
     + (select count(*) from (table recounted_days except table daily_counts) d)
     -- the log begins at 0, and a row stands before the next offset
     + (select count(*) from offsets o full join recounted_offsets r using (topic, partition)
        where o.next_offset <> o.messages or o.stored <> coalesce(r.stored, 0) or r.last >= o.next_offset
           or o.topic is null)
     + (select count(*) from imports i
        where i.rows_stored <> (select count(*) from events e where e.import_id = i.import_id)
           or i.state = 'finished' and i.rows_stored + i.rows_duplicate + i.rows_rejected < i.rows_read)
