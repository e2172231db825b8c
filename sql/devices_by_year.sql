-- Events of each year of the shop's zone by kind of device.
select extract(year from occurred_at at time zone (select shop_timezone()))::integer as year, site_version, count(*) as events
from events
where event_type <> 'user_update'
group by 1, site_version
order by year, events desc, site_version;
