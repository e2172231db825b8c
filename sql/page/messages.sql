-- What became of the topic's messages, with what deleted imports had. A duplicate leaves no row that could be counted.
select
    (select count(*) from events) + coalesce(sum(stored), 0) as stored,
    (select count(*) from rejected_events where topic is not null) + coalesce(sum(rejected), 0) as rejected,
    (select count(*) from events where import_id is null and stored_at > occurred_at + interval '60 seconds') as late
from deleted_rows;
