-- A cell for each of the rows, where one is missing.
insert into cells (event_type, product, site_version, source, currency)
select distinct event_type, product, site_version, source, case when revenue(e) is not null then currency end
from events e
on conflict do nothing
