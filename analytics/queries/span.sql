-- What a range of dates or instants comes down to in a zone, for the queries of the figures.
--
-- $1 zone, null for the shop's
-- $2, $3 from, as a date or as an instant
-- $4, $5 to, likewise
-- $6 whether local dates matter to the figure
--
-- A day is every instant whose local date it is, so a date's bound is looked for among the quarters
-- of an hour around it: midnight may come twice or not at all, and Pacific/Apia had no 2011-12-30.
with zone as (
    select coalesce($1::text, shop_timezone()) as tz
),
edges as (
    select
        tz,
        coalesce($3::timestamptz, (
            select min(quarter)
            from generate_series(-96, 96) as n, quarter_start(n + (extract(epoch from $2::date) / 900)::integer) as quarter
            where (quarter at time zone tz)::date >= $2::date
        )) as starting,
        coalesce($5::timestamptz, (
            select max(quarter) + interval '15 minutes'
            from generate_series(-96, 96) as n, quarter_start(n + (extract(epoch from $4::date) / 900)::integer) as quarter
            where (quarter at time zone tz)::date < $4::date
        )) as ending
    from zone
)
select
    tz as "tz!",
    tz = shop_timezone() as "shops!",
    -- whether the kept figures are of the shop's zone, and not still to be built
    (select kept_timezone is not distinct from timezone from settings) as "kept!",
    starting,
    ending,
    -- Whether local dates only ever go forward in the range. Where a clock was set back over
    -- midnight (St. John's until 2010, at 00:01), a date comes twice and a quarter is of two dates.
    not ($6::boolean and exists (
        select
        from generate_series(
                -- a clock that was set back right before the range matters to its first hours
                greatest(starting - interval '24 hours', '2000-01-01 00:00Z'), least(ending, now() + interval '48 hours'), interval '24 hours'
            ) as day,
            generate_series(day, day + interval '24 hours', interval '15 minutes') as quarter
        where (day + interval '24 hours') at time zone tz - day at time zone tz < interval '24 hours'
            and ((quarter + interval '15 minutes') at time zone tz)::date < (quarter at time zone tz)::date
    )) as "steady!"
from edges
