// Moments on an axis, labelled by the clock of the shop's zone.

import { dayOf } from "./format.js";
import { addDays, buckets, ticks } from "./range.js";

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
