// Ranges. A range is half-open, as in the API and in the page's own address. It is one of calendar days, as
// {from: "2019-01-01", to: "2019-02-01"} is January, or one of moments, {from: "2019-01-07T12:30:00.000Z", …}.

const DAY = 86_400_000;
const HOUR = DAY / 24;
const MINUTE = HOUR / 60;
const stamp = (day) => Date.parse(`${day}T00:00:00Z`);
const text = (time) => new Date(time).toISOString().slice(0, 10);

export const addDays = (day, n) => text(stamp(day) + n * DAY);
export const daysBetween = (from, to) => Math.round((stamp(to) - stamp(from)) / DAY);
export const monthStart = (day) => `${day.slice(0, 7)}-01`;
const nextMonth = (day) => monthStart(addDays(monthStart(day), 31));
/** The Monday of the day's week. */
export const weekStart = (day) => addDays(day, -((new Date(stamp(day)).getUTCDay() + 6) % 7));

/** Whether the text is a calendar day that an event may have: 2000 to 2999. */
export function isDay(value) {
  return /^2\d{3}-\d\d-\d\d$/.test(value) && !Number.isNaN(stamp(value)) && text(stamp(value)) === value;
}

/** Whether the bound of a range is a moment, and no day. */
export const isTimed = (bound) => bound.includes("T");

/** Whether the text is a moment that an event may have, with its offset from UTC. */
export function isMoment(value) {
  return /^2\d{3}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value));
}

/** The bound as much later, a moment in milliseconds. */
export const later = (moment, milliseconds) => new Date(Date.parse(moment) + milliseconds).toISOString();

/** Ranges of days by `range(today)`, and those of `last` so many milliseconds, whose ends move by a `step`. */
export const PRESETS = [
  { key: "today", name: "Today", range: (today) => [today, addDays(today, 1)] },
  { key: "yesterday", name: "Yesterday", range: (today) => [addDays(today, -1), today] },
  { key: "1h", name: "Last hour", last: HOUR, step: MINUTE },
  // as fine as the counts are kept
  { key: "24h", name: "24 hours", last: DAY, step: 15 * MINUTE },
  { key: "7d", name: "7 days", range: (today) => [addDays(today, -6), addDays(today, 1)] },
  { key: "30d", name: "30 days", range: (today) => [addDays(today, -29), addDays(today, 1)] },
  { key: "month", name: "This month", range: (today) => [monthStart(today), addDays(today, 1)] },
  {
    key: "last-month",
    name: "Last month",
    range: (today) => [monthStart(addDays(monthStart(today), -1)), monthStart(today)],
  },
  { key: "all", name: "All", range: () => [null, null] },
];

/**
 * What the page's address asks for: {auto: true} when it names no range, {all: true} for `range=all`,
 * {last: "1h"} for `range=1h`, else {from, to} where a missing side is null. Throws an Error in words
 * when a bound is none or the range holds nothing.
 */
export function readRange(search) {
  const query = new URLSearchParams(search);
  if (query.get("range") === "all") return { all: true };
  if (PRESETS.some(({ key, last }) => last && key === query.get("range"))) return { last: query.get("range") };
  const from = query.get("from");
  const to = query.get("to");
  if (from === null && to === null) return { auto: true };
  for (const [name, value] of [
    ["from", from],
    ["to", to],
  ]) {
    if (value !== null && !isDay(value) && !isMoment(value))
      throw new Error(`“${name}=${value}” in the address is no date like 2019-01-31, nor a time like 2019-01-31T12:30:00Z.`);
  }
  // of a day and a moment the zone decides, and the server says so
  if (from !== null && to !== null && isTimed(from) === isTimed(to) && (isTimed(from) ? Date.parse(from) >= Date.parse(to) : from >= to)) {
    throw new Error(`The range from ${from} to ${to} holds ${isTimed(from) ? "nothing: “to” is the first moment after it" : "no day: “to” is the first day after it"}.`);
  }
  return { from, to };
}

/** The address' query for a wish as readRange gives it, other parameters kept. */
export function writeRange(search, wish) {
  const query = new URLSearchParams(search);
  for (const name of ["range", "from", "to"]) query.delete(name);
  if (wish.all) query.set("range", "all");
  if (wish.last) query.set("range", wish.last);
  if (wish.from) query.set("from", wish.from);
  if (wish.to) query.set("to", wish.to);
  return query.size ? `?${query}` : "/";
}

// Pauses up to this many days belong to one stretch of data.
const STRETCH_PAUSE = 60;

/**
 * The stretches of time in which there is data, from daily rows without gaps: [{from, to, events}],
 * in order. A shop that replays an old file has two: the file's months and today.
 */
export function stretches(rows, eventsOf) {
  const found = [];
  for (const row of rows) {
    const events = eventsOf(row);
    if (!events) continue;
    const current = found.at(-1);
    if (current && daysBetween(current.to, row.day) < STRETCH_PAUSE) {
      current.to = addDays(row.day, 1);
      current.events += events;
    } else {
      found.push({ from: row.day, to: addDays(row.day, 1), events });
    }
  }
  return found;
}

// A chart over time that shows fewer days than this says little.
const SHORTEST = 7;

/**
 * The range of a wish. `overview` is what is known of all data: its days {from, to} and stretches; `now` is in
 * milliseconds. Whoever asks for nothing sees the stretch with most events, and at least a week.
 */
export function resolve(wish, overview, now) {
  if (wish.last) return lastOf(wish.last, now);
  if (!wish.auto) {
    const beside = (bound, days) => (isTimed(bound) ? later(bound, days * DAY) : addDays(bound, days));
    const from = wish.from ?? (wish.to <= overview.from ? beside(wish.to, -1) : overview.from);
    const to = wish.to ?? (wish.from >= overview.to ? beside(wish.from, 1) : overview.to);
    return { from, to };
  }
  const { from, to } = overview.stretches.reduce((most, one) => (one.events > most.events ? one : most));
  return { from: daysBetween(from, to) < SHORTEST ? addDays(to, -SHORTEST) : from, to };
}

/** The moments of the last hour and the like, up to the end of the minute or the quarter of an hour that is going on. */
function lastOf(key, now) {
  const { last, step } = PRESETS.find((preset) => preset.key === key);
  const to = (Math.floor(now / step) + 1) * step;
  return { from: new Date(to - last).toISOString(), to: new Date(to).toISOString() };
}

/** Groups finer than days: their names, and how long their buckets are. */
export const FINE = { minute: MINUTE, quarter: 15 * MINUTE, hour: HOUR };
// more bars than these are a thicket
const MOST_FINE = 400;
/** Hours are shown for so many days at the most. */
export const MOST_DAYS_OF_HOURS = Math.floor((MOST_FINE * HOUR) / DAY);

/** How long a range is; a day of its zone may have another length than 24 hours. */
export const lengthOf = ({ from, to }) => Date.parse(to) - Date.parse(from);

/** What a range may be grouped by. */
export function groupsOf(range) {
  const fine = Object.keys(FINE).filter((group) => lengthOf(range) / FINE[group] <= MOST_FINE);
  return isTimed(range.from) ? [...fine, "day", "week", "month"] : [...fine.filter((group) => group === "hour"), "day", "week", "month"];
}

/** Minutes up to three hours and the like for moments; days up to seven months, then weeks up to four years, then months. */
export function grouping(from, to) {
  const days = lengthOf({ from, to }) / DAY;
  if (isTimed(from) && days <= 9) return days <= 1 / 8 ? "minute" : days <= 1.5 ? "quarter" : "hour";
  return days <= 214 ? "day" : days <= 1461 ? "week" : "month";
}

export const bucketOf = { day: (day) => day, week: weekStart, month: monthStart };
const nextBucket = { day: (day) => addDays(day, 1), week: (day) => addDays(day, 7), month: nextMonth };

/**
 * The buckets of a range, {key, from, to} with from and to cut to the range, so that a bucket's
 * figures are those of its days in the range.
 */
export function buckets(from, to, group) {
  const list = [];
  for (let key = bucketOf[group](from); key < to; key = nextBucket[group](key)) {
    const end = nextBucket[group](key);
    list.push({ key, from: key < from ? from : key, to: end > to ? to : end });
  }
  return list;
}

// Shorter pauses are drawn, for that nothing happened is worth seeing.
const LONG_PAUSE = 12;

/**
 * The buckets, those of each long pause as one with `gap: true`, where pauses are more than half of the list: it would be
 * mostly empty. `filled` says by index whether a bucket has anything. What is drawn and summed stays the same.
 */
export function withoutPauses(list, filled) {
  const runs = [];
  list.forEach((_, i) => {
    if (filled[i]) return;
    const run = runs.at(-1);
    if (run?.end === i) run.end = i + 1;
    else runs.push({ start: i, end: i + 1 });
  });
  const long = runs.filter(({ start, end }) => end - start >= LONG_PAUSE);
  if (2 * long.reduce((sum, { start, end }) => sum + end - start, 0) <= list.length || !filled.includes(true)) return list;
  const starts = new Map(long.map((run) => [run.start, run]));
  const kept = [];
  for (let i = 0; i < list.length; i++) {
    const run = starts.get(i);
    if (run) i = run.end - 1;
    kept.push(run ? { key: list[run.start].key, from: list[run.start].from, to: list[i].to, gap: true } : list[i]);
  }
  return kept;
}

/** The key of the bucket of a moment, in milliseconds, in a fine group. Like windows these are aligned to the epoch. */
export const fineKey = (time, group) => new Date(Math.floor(time / FINE[group]) * FINE[group]).toISOString();

/** The sums of `value(row)` of rows by day, or by the key of a fine group, over buckets of the same range. */
export function sumBy(rows, list, group, value) {
  const sums = new Map(list.map((bucket) => [bucket.key, 0]));
  for (const row of rows) {
    const key = bucketOf[group]?.(row.day) ?? row.day;
    if (sums.has(key)) sums.set(key, sums.get(key) + value(row));
  }
  return [...sums.values()];
}

/** Indices of the buckets that get a label: at round dates, no more than `most`. */
export function ticks(list, group, most) {
  if (FINE[group]) return fineTicks(list, most);
  const first = (test) => list.flatMap((bucket, i) => (test(bucket.key, list[i - 1]?.key, i) ? [i] : []));
  const months = (n) => (day, before) => {
    const number = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1;
    return (
      Math.floor(number / n) * n === number &&
      (group === "week" ? before?.slice(0, 7) !== day.slice(0, 7) : day.endsWith("-01"))
    );
  };
  const candidates = [() => true];
  // too few days for Mondays to tell much
  if (list.length <= 21) for (const n of [2, 3]) candidates.push((_, __, i) => i % n === 0);
  if (group === "day") candidates.push((day) => weekStart(day) === day);
  for (const n of [1, 2, 3, 6, 12, 24, 60, 120]) candidates.push(months(n));
  for (const candidate of candidates) {
    const chosen = first(candidate);
    if (chosen.length <= most) return chosen.length ? chosen : [0];
  }
  return [0];
}

const TICK_STEPS = [1, 5, 15, 30, 60, 180, 360, 720, 1440];

/** The same where buckets have the `minute` of their day. */
function fineTicks(list, most) {
  for (const days of [1, 2, 7]) {
    for (const step of days === 1 ? TICK_STEPS : [1440]) {
      const chosen = list.flatMap(({ minute }, i) => (minute % step === 0 ? [i] : [])).filter((_, n) => n % days === 0);
      if (chosen.length <= most) return chosen.length ? chosen : [0];
    }
  }
  return [0];
}
