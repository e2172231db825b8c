-- What the rows in these pages of events add to the kept figures, as event_deltas has it.
--
-- $1, $2 pages from and to before
-- $3 days of the shop's zone, or null for all
select
    c.cell_id as "cell_id!",
    array_agg(e.occurred_at) as "times!",
    case when c.currency is not null then array_agg(revenue(e)::text) end as amounts,
    array_agg(e.user_id) as "user_ids!"
from events e
join cells c on
    md5(quote_nullable(c.event_type) || quote_nullable(c.product) || quote_nullable(c.site_version)
        || quote_nullable(c.source) || quote_nullable(c.currency))
    = md5(quote_nullable(e.event_type) || quote_nullable(e.product) || quote_nullable(e.site_version)
        || quote_nullable(e.source) || quote_nullable(case when revenue(e) is not null then e.currency end))
where e.ctid >= format('(%s,0)', $1::bigint)::tid and e.ctid < format('(%s,0)', $2::bigint)::tid
    and ($3::date[] is null
        or (quarter_start(quarter_of(e.occurred_at)) at time zone (select shop_timezone()))::date = any($3::date[]))
group by c.cell_id
