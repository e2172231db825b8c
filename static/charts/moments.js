// Moments and the clock of a zone: days and times of day as moments, and moments on an axis.

import { clockTime, dayMonthYear, dayOf } from "./format.js";
import { addDays, buckets, FINE, fineKey, isTimed, later, ticks } from "./range.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEPS = [1, 5, 15, 30, 60, 180, 360, 720].map((minutes) => minutes * MINUTE);

/** The first moment of a day in the zone, or of the next one where the zone has no such day. */
export function dayStart(day, zone) {
  const noon = Date.parse(`${day}T12:00:00Z`);
  let [before, after] = [noon - 27 * HOUR, noon + 27 * HOUR];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dayOf(middle, zone) < day) before = middle;
    else after = middle;
  }
  return after;
}

/** What the clock of the zone shows at a moment, as if it were UTC. */
const shown = (time, zone) => Date.parse(`${dayOf(time, zone)}T${clockTime(time, zone)}Z`);

/**
 * The moment at which the zone's clock shows the day and a time like "12:30". A time that the clock skips is moved on by
 * what it skips, of one that comes twice it is the first.
 */
export function momentOf(day, time, zone) {
  const wanted = Date.parse(`${day}T${time}Z`);
  const offset = (at) => shown(at, zone) - Math.floor(at / MINUTE) * MINUTE;
  const [before, after] = [wanted - 24 * HOUR, wanted + 24 * HOUR].map((at) => wanted - offset(at));
  return shown(before, zone) !== wanted && shown(after, zone) === wanted ? after : before;
}

/** The moment at which it was this time of the day before. */
export function dayEarlier(time, zone) {
  const start = Math.floor(time / MINUTE) * MINUTE;
  return momentOf(addDays(dayOf(time, zone), -1), clockTime(time, zone), zone) + (time - start);
}

/** The first moment of a range's bound, in milliseconds. */
export const startOf = (bound, zone) => (isTimed(bound) ? Date.parse(bound) : dayStart(bound, zone));

/** A range of moments where one of its bounds is one. */
export function ofOneKind({ from, to }, zone) {
  if (isTimed(from) === isTimed(to)) return { from, to };
  const moment = (bound) => new Date(startOf(bound, zone)).toISOString();
  return { from: moment(from), to: moment(to) };
}

/** The days of the zone, {from, to}, that a range has a part of. */
export function daysOf({ from, to }, zone) {
  if (!isTimed(from)) return { from, to };
  return { from: dayOf(Date.parse(from), zone), to: addDays(dayOf(Date.parse(to) - 1, zone), 1) };
}

/**
 * The buckets of a range in a group. Days, weeks and months are buckets() of its days; finer ones have moments as their
 * bounds, and how they are called by the zone's clock: `name`, `day`, `clock`, and the `minute` of their day.
 */
export function bucketsOf(range, group, zone) {
  if (!FINE[group]) {
    const days = daysOf(range, zone);
    return buckets(days.from, days.to, group);
  }
  const [start, end] = [range.from, range.to].map((bound) => startOf(bound, zone));
  const list = [];
  for (let key = fineKey(start, group); Date.parse(key) < end; key = later(key, FINE[group])) {
    const [from, to] = [Math.max(Date.parse(key), start), Math.min(Date.parse(key) + FINE[group], end)];
    const [day, clock] = [dayOf(from, zone), clockTime(from, zone)];
    list.push({
      key,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      name: `${dayMonthYear(day)}, ${clock} – ${clockTime(to, zone)}`,
      day,
      clock,
      minute: Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3)),
    });
  }
  return list;
}

/** Where an axis from `min` to `max` is labelled, about `most` times: [{time, day}], without `day` within a day. */
export function momentTicks(min, max, zone, most) {
  const first = dayOf(min, zone);
  const end = addDays(dayOf(max, zone), 1);
  const step = STEPS.find((step) => (max - min) / step <= most);
  if (step === undefined) {
    const days = buckets(first, end, "day");
    const shown = ticks(days, "day", most).map((i) => days[i]);
    return shown
      .map(({ key }) => ({ time: dayStart(key, zone), day: key }))
      .filter(({ time }) => time >= min && time <= max);
  }
  const list = [];
  for (let day = first; day < end; day = addDays(day, 1)) {
    const [start, next] = [dayStart(day, zone), dayStart(addDays(day, 1), zone)];
    // a day of 25 hours would end with two labels on top of each other
    for (let time = start; time === start || next - time >= step / 2; time += step) {
      if (time >= min && time <= max) list.push(time === start ? { time, day } : { time });
    }
  }
  return list;
}
