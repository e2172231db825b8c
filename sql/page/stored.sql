-- Events by the second in which they were stored, of the last 100 seconds; the last one is not over yet.
select date_trunc('second', stored_at) as second, count(*) as events
from events
where stored_at >= date_trunc('second', now()) - interval '99 seconds'
group by second
order by second;
