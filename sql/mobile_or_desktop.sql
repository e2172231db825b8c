-- Events on each kind of device, of all time and of the last hour, with its share in percent.
select site_version,
    count(*) as events,
    round(100.0 * count(*) / sum(count(*)) over (), 2) as share,
    count(*) filter (where recent) as events_last_hour,
    round(100.0 * count(*) filter (where recent) / nullif(sum(count(*) filter (where recent)) over (), 0), 2) as share_last_hour
from (
    select site_version, occurred_at >= now() - interval '1 hour' as recent
    from events
    where event_type <> 'user_update'
) e
group by site_version
order by events desc, site_version;
