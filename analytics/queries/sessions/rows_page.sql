-- A page of the sessions that start in a range, cut from the events, by their starts, then their users.
--
-- $1 gap in microseconds
-- $2, $3 half-open range of starts, null for no bound
-- $4 filters, as picked_events takes them
-- $5 zone
-- $6, $7 local dates of starts from and to before, where days are no ranges of instants
-- $8, $9 start and user of the last one of the page before, or null
-- $10 sessions at the most
select window_start as "started_at!", window_end as "ended_at!", "group" as "user_id!", events as "events!",
    orders as "orders!", amount as "amount!: Json<Amount>"
from sessions(
    $1::bigint * interval '1 microsecond', greatest($2::timestamptz, $8::timestamptz),
    $3::timestamptz, $4::jsonb
)
where ($6::date is null or (window_start at time zone $5::text)::date >= $6::date)
    and ($7::date is null or (window_start at time zone $5::text)::date < $7::date)
    and ($8::timestamptz is null or (window_start, "group" collate "C") > ($8::timestamptz, $9::text))
order by window_start, "group" collate "C"
limit $10::bigint
