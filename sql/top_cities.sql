-- The ten cities with the most events.
select city, count(*) as events
from events
where city is not null and event_type <> 'user_update'
group by city
order by events desc, city
limit 10;
