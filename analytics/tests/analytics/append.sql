-- Stores the events of one batch of "waiting" as a consumer would have: appended and not folded yet.
insert into events select (waiting.event).* from waiting join batch using (number);

insert into cells (event_type, product, site_version, source, currency)
select distinct event_type, product, site_version, source, case when revenue(e) is not null then currency end
from events e
on conflict do nothing;

insert into event_deltas (cell_id, events, first_at, last_at, times, amounts, user_ids)
select cell_id, count(*), min(e.occurred_at), max(e.occurred_at), array_agg(e.occurred_at),
    case when c.currency is not null then array_agg(revenue(e)) end, array_agg(e.user_id)
from (select (waiting.event).event_id from waiting join batch using (number)) picked
join events e using (event_id)
join cells c on c.event_type = e.event_type
    and c.product is not distinct from e.product
    and c.site_version is not distinct from e.site_version
    and c.source = e.source
    and c.currency is not distinct from case when revenue(e) is not null then e.currency end
group by cell_id;
