-- How many users each region has, and since when the first of them has been registered.
select region, count(*) as users, min(registered_at) as first_registered
from users
group by region
order by users desc, region;
