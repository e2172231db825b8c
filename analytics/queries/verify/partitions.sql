-- What the consumer counted a partition, and how far it says to have come; topics of one name in several
-- clusters are taken together. Of the next offset it is only known that it is past all rows. What deleted imports
-- had was stored, too.
select format('%s %s, %s', topic, partition, name) as place, kept, recount
from (
    select topic, partition, sum(stored)::bigint as stored, sum(late)::bigint as late,
        sum(rejected)::bigint as rejected, max(next_offset) as next_offset
    from consumer_offsets
    group by topic, partition
) kept
full join (
    select topic, partition, count(*) as stored,
        count(*) filter (where import_id is null and stored_at > occurred_at + interval '60 seconds') as late,
        max("offset") as last_offset
    from events
    group by topic, partition
) recount using (topic, partition)
full join (
    select topic, partition, count(*) as rejected, max("offset") as last_offset
    from rejected_events
    where topic is not null
    group by topic, partition
) refused using (topic, partition)
left join (
    select topic, partition, sum(stored)::bigint as stored, sum(rejected)::bigint as rejected
    from deleted_rows
    group by topic, partition
) deleted using (topic, partition)
cross join lateral (values
    ('stored', kept.stored, coalesce(recount.stored, 0) + coalesce(deleted.stored, 0)),
    ('late', kept.late, coalesce(recount.late, 0)),
    ('rejected', kept.rejected, coalesce(refused.rejected, 0) + coalesce(deleted.rejected, 0)),
    ('next offset', kept.next_offset, greatest(kept.next_offset, recount.last_offset + 1, refused.last_offset + 1))
) as figure(name, kept, recount)
