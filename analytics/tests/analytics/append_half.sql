-- Puts the events back that were left out, as the consumer would have: appended and not folded yet.
insert into events select * from left_out;
drop table left_out;

insert into cells (event_type, product, site_version, source, currency)
select distinct event_type, product, site_version, source, case when revenue(e) is not null then currency end
from events e
on conflict do nothing;

insert into event_deltas (cell_id, events, first_at, last_at, times, amounts, user_ids)
select cell_id, count(*), min(occurred_at), max(occurred_at), array_agg(occurred_at),
    case when c.currency is not null then array_agg(revenue(e)) end, array_agg(user_id)
from events e
join cells c on c.event_type = e.event_type
    and c.product is not distinct from e.product
    and c.site_version is not distinct from e.site_version
    and c.source = e.source
    and c.currency is not distinct from case when revenue(e) is not null then e.currency end
where hashtext(event_id::text) % 2 = 0
group by cell_id;
