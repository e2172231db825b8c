// Ranges of calendar days. A day is "2019-01-07"; a range is half-open, as in the API and in the
// page's own address: {from: "2019-01-01", to: "2019-02-01"} is January.

const DAY = 86_400_000;
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

export const PRESETS = [
  { key: "today", name: "Today", range: (today) => [today, addDays(today, 1)] },
  { key: "yesterday", name: "Yesterday", range: (today) => [addDays(today, -1), today] },
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
 * What the page's address asks for: {auto: true} when it names no range, {all: true} for
 * `range=all`, else {from, to} where a missing side is null. Throws an Error in words when a day is
 * none or the range holds no day.
 */
export function readRange(search) {
  const query = new URLSearchParams(search);
  if (query.get("range") === "all") return { all: true };
  const from = query.get("from");
  const to = query.get("to");
  if (from === null && to === null) return { auto: true };
  for (const [name, value] of [
    ["from", from],
    ["to", to],
  ]) {
    if (value !== null && !isDay(value))
      throw new Error(`“${name}=${value}” in the address is not a date like 2019-01-31.`);
  }
  if (from !== null && to !== null && from >= to) {
    throw new Error(`The range from ${from} to ${to} holds no day: “to” is the first day after it.`);
  }
  return { from, to };
}

/** The address' query for a wish as readRange gives it, other parameters kept. */
export function writeRange(search, wish) {
  const query = new URLSearchParams(search);
  for (const name of ["range", "from", "to"]) query.delete(name);
  if (wish.all) query.set("range", "all");
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
 * The range of a wish. `overview` is what is known of all data: its days {from, to} and stretches.
 * Whoever asks for nothing sees the stretch with most events, and at least a week.
 */
export function resolve(wish, overview) {
  if (!wish.auto) {
    const from = wish.from ?? (wish.to <= overview.from ? addDays(wish.to, -1) : overview.from);
    const to = wish.to ?? (wish.from >= overview.to ? addDays(wish.from, 1) : overview.to);
    return { from, to };
  }
  const { from, to } = overview.stretches.reduce((most, one) => (one.events > most.events ? one : most));
  return { from: daysBetween(from, to) < SHORTEST ? addDays(to, -SHORTEST) : from, to };
}

/** Days up to seven months, then weeks up to four years, then months. */
export function grouping(from, to) {
  const days = daysBetween(from, to);
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

/** The sums of `value(row)` of daily rows over buckets of the same range. */
export function sumBy(rows, list, group, value) {
  const sums = new Map(list.map((bucket) => [bucket.key, 0]));
  for (const row of rows) {
    const key = bucketOf[group](row.day);
    if (sums.has(key)) sums.set(key, sums.get(key) + value(row));
  }
  return [...sums.values()];
}

/** Indices of the buckets that get a label: at round dates, no more than `most`. */
export function ticks(list, group, most) {
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
