-- Counts all events again, as the consumer would have: some of what it appended is folded in, the
-- rest is not.
truncate cells, quarter_counts, day_counts, count_deltas;

insert into cells (event_type, product, site_version, source, currency)
select distinct event_type, product, site_version, source, case when revenue(e) is not null then currency end
from events e;

create temporary table counted as
select cell_id, floor(extract(epoch from e.occurred_at) / 900)::integer as quarter, hashtext(e.event_id::text) % 2 = 0 as folded,
    count(*) as events, sum(revenue(e)) as amount, min(e.occurred_at) as first_at, max(e.occurred_at) as last_at
from events e
join cells c on c.event_type = e.event_type
    and c.product is not distinct from e.product
    and c.site_version is not distinct from e.site_version
    and c.source = e.source
    and c.currency is not distinct from case when revenue(e) is not null then e.currency end
group by 1, 2, 3;

insert into quarter_counts
select cell_id, quarter, events, amount, first_at, last_at from counted where folded;

insert into day_counts
select cell_id, (quarter_start(quarter) at time zone shop_timezone())::date, sum(events), sum(amount), min(first_at), max(last_at)
from counted where folded
group by 1, 2;

insert into count_deltas
select cell_id, array_agg(quarter), array_agg(events::integer), array_agg(amount), array_agg(first_at), array_agg(last_at)
from counted where not folded
group by cell_id;

drop table counted;
