-- Deletes the rows of an import; how many there were, of which days of the shop's zone, and of which users.
--
-- $1 the import
with gone as (
    delete from events where import_id = $1::uuid returning topic, partition, occurred_at, user_id
), counted as (
    select topic, partition, (quarter_start(quarter_of(occurred_at)) at time zone tz)::date as day, count(*) as events
    from gone, (select shop_timezone() as tz) zone
    group by 1, 2, 3
), written as (
    insert into deleted_rows (import_id, topic, partition, stored)
    select $1::uuid, topic, partition, sum(events)::bigint from counted group by topic, partition
)
select
    coalesce(sum(events), 0)::bigint as "events!",
    coalesce(array_agg(distinct day), '{}') as "days!",
    (
        select coalesce(array_agg(user_number), '{}')
        from (select distinct user_id from gone) u
        join user_numbers n on n.user_key = encode(user_key(u.user_id), 'hex')::uuid
    ) as "users!"
from counted
