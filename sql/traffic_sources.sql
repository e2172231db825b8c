-- Where visits came from: events and users of each source of traffic.
select traffic_source, count(*) as events, count(distinct user_id) as users
from events
where event_type <> 'user_update'
group by traffic_source
order by events desc, traffic_source;
