-- How often each user viewed each page.
select user_id, page_id, count(*) as views
from events
where event_type = 'page_view'
group by user_id, page_id
order by views desc, user_id, page_id;
