-- The ten pages that were viewed most.
select page_id, count(*) as views, count(distinct user_id) as users
from events
where event_type = 'page_view'
group by page_id
order by views desc, page_id
limit 10;
