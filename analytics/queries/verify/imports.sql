-- What is known of the imports. When one has finished, all rows read are accounted for; more than were
-- read only when Kafka did not acknowledge some in time, so that they were published again.
select format('%s, %s', import_id, name) as place, kept, recount
from (
    select import_id, max(rows_read) filter (where state = 'finished') as rows_read,
        sum(stored)::bigint as stored, sum(duplicate)::bigint as duplicate, sum(rejected)::bigint as rejected
    from (
        select import_id, state, rows_read, rows_stored as stored, rows_duplicate as duplicate, rows_rejected as rejected
        from imports
        union all
        select import_id, null, null, stored, duplicate, rejected from import_deltas
    ) i
    group by import_id
) kept
full join (
    select import_id, count(*) as stored from events where import_id is not null group by import_id
) recount using (import_id)
full join (
    select import_id, count(*) as rejected from rejected_events where import_id is not null group by import_id
) refused using (import_id)
cross join lateral (values
    ('stored', kept.stored, coalesce(recount.stored, 0)),
    ('rejected', kept.rejected, coalesce(refused.rejected, 0)),
    ('read', kept.rows_read, case
        when kept.rows_read > kept.stored + kept.duplicate + kept.rejected
            then kept.stored + kept.duplicate + kept.rejected
        else kept.rows_read
    end)
) as figure(name, kept, recount)
