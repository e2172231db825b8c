// What the same weekday usually has until this time of the day, by product.

import { clockTime, dayOf } from "./format.js";
import { momentOf } from "./moments.js";
import { addDays } from "./range.js";

const WEEKS = 8;
// as fine as the counts are kept, so that no rows are read for their sums
const QUARTER = 15;

/**
 * The ranges {from, to} of the last eight days of today's weekday until the last quarter of an hour, in the zone; none
 * while the day is younger than that. The same until the next quarter.
 */
export function sameWeekdays(now, zone) {
  const today = dayOf(now, zone);
  const [hours, minutes] = clockTime(now, zone).split(":").map(Number);
  const quarter = hours * 60 + minutes - (minutes % QUARTER);
  if (!quarter) return { until: "00:00", ranges: [] };
  const until = `${String(Math.floor(quarter / 60)).padStart(2, "0")}:${String(quarter % 60).padStart(2, "0")}`;
  const ranges = Array.from({ length: WEEKS }, (_, week) => {
    const from = addDays(today, -7 * (week + 1));
    return { from, to: new Date(momentOf(from, until, zone)).toISOString() };
  });
  return { until, ranges };
}

/**
 * The bands of several days, each rows of /api/breakdown?by=product: `of(product, type)` gives {low, middle, high}, the
 * least, the median and the most. Days without any event are none, as before the shop began; null of fewer than two days.
 */
export function bands(days, until) {
  const known = days.filter((rows) => rows.length);
  if (known.length < 2) return null;
  return {
    days: known.length,
    until,
    of(product, type) {
      const counts = known.map((rows) => rows.find(({ value }) => value === product)?.[type] ?? 0).sort((a, b) => a - b);
      const half = (counts.length - 1) / 2;
      const middle = (counts[Math.floor(half)] + counts[Math.ceil(half)]) / 2;
      return { low: counts[0], middle, high: counts.at(-1) };
    },
  };
}
