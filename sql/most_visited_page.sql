-- The ten pages with the most visits in the last hour: everything seen or clicked there.
select page_id, count(*) as visits, count(distinct user_id) as users
from events
where event_type in ('banner_show', 'banner_click', 'page_view', 'product_view')
    and page_id is not null
    and occurred_at >= now() - interval '1 hour'
group by page_id
order by visits desc, page_id
limit 10;
