-- How many orders were paid in each way, and how many of these failed.
select payment_method, count(*) as orders, count(*) filter (where failed(status)) as failed
from events
where event_type = 'order'
group by payment_method
order by orders desc, payment_method;
