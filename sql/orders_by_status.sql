-- How many orders ended in each status, and which of these count as failed.
select status, failed(status) is true as failed, count(*) as orders
from events
where event_type = 'order'
group by status
order by orders desc, status;
