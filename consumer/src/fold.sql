-- Adds what the consumers appended to the kept figures. One statement, so that a reader sees all of
-- it or none; one folder at a time (the caller holds the lock), in key order.
with taken as (
    delete from count_deltas returning cell_id, quarters, events, amounts, firsts, lasts
), added as materialized (
    select t.cell_id, u.quarter, sum(u.events)::bigint as events, sum(u.amount) as amount,
        min(u.first_at) as first_at, max(u.last_at) as last_at
    from taken t,
        unnest(t.quarters, t.events, t.amounts, t.firsts, t.lasts) as u(quarter, events, amount, first_at, last_at)
    group by t.cell_id, u.quarter
), by_quarter as (
    insert into quarter_counts as kept (cell_id, quarter, events, amount, first_at, last_at)
    select cell_id, quarter, events, amount, first_at, last_at from added
    order by quarter, cell_id
    on conflict (quarter, cell_id) do update set
        events = kept.events + excluded.events,
        amount = coalesce(kept.amount + excluded.amount, kept.amount, excluded.amount),
        first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at)
), by_day as (
    insert into day_counts as kept (cell_id, day, events, amount, first_at, last_at)
    select cell_id, (quarter_start(quarter) at time zone (select shop_timezone()))::date, sum(events)::bigint,
        sum(amount), min(first_at), max(last_at)
    from added
    group by 1, 2
    order by 2, 1
    on conflict (day, cell_id) do update set
        events = kept.events + excluded.events,
        amount = coalesce(kept.amount + excluded.amount, kept.amount, excluded.amount),
        first_at = least(kept.first_at, excluded.first_at),
        last_at = greatest(kept.last_at, excluded.last_at)
)
select count(*) as "cells!" from added
