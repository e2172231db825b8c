// What the charts share: axes of time and of counts from zero, and how bars are drawn on them.

import * as format from "./format.js";
import { momentTicks } from "./moments.js";
import { daysBetween, ticks } from "./range.js";

/** How long a chart takes to change, in milliseconds. */
export const MOTION = 180;

/** A bucket's name where there is room for it. */
export function bucketLong(bucket, group) {
  if (bucket.name) return bucket.name;
  if (bucket.gap) return `${format.dayRange(bucket.from, bucket.to)}, nothing`;
  if (group === "day") return format.dayFull(bucket.key);
  if (daysBetween(bucket.from, bucket.to) === 1) return format.dayFull(bucket.from);
  if (group === "week") return `Week of ${format.dayRange(bucket.from, bucket.to)}`;
  return format.monthLong(bucket.key);
}

function bucketShort(bucket, before, group, few) {
  const { key, clock, gap } = bucket;
  if (gap) return "…";
  if (clock) return bucket.minute === 0 ? format.dayMonth(bucket.day) : clock;
  const newYear = key.slice(0, 4) !== before?.key.slice(0, 4);
  if (group === "day" && few) return newYear ? format.dayMonthYear(key) : format.dayMonth(key);
  if (group === "week" && few) return newYear ? format.dayMonthYear(key) : format.dayMonth(key);
  if (newYear) return format.monthYear(key);
  return format.month(key);
}

/** An axis of moments from `min` to `max`, labelled by the clock of the zone. */
export function momentAxis({ min, max, zone, width, theme, ...more }) {
  const labels = new Map();
  const list = momentTicks(min, max, zone, Math.max(2, Math.floor(width / 76)));
  let before = null;
  const months = list.every(({ day }) => day?.endsWith("-01"));
  for (const { time, day } of list) {
    if (!day) {
      labels.set(time, format.clockTime(time, zone));
      continue;
    }
    labels.set(time, bucketShort({ key: day }, before && { key: before }, "day", !months));
    before = day;
  }
  const customValues = [...labels.keys()];
  return {
    type: "value",
    min,
    max,
    axisLine: { show: true, onZero: false, lineStyle: { color: theme.line } },
    axisTick: { show: true, customValues, lineStyle: { color: theme.line } },
    axisLabel: {
      color: theme.muted,
      fontSize: 12,
      customValues,
      formatter: (time) => labels.get(time) ?? "",
      hideOverlap: true,
    },
    splitLine: { show: false },
    ...more,
  };
}

/** A category axis of the buckets, labelled at round dates. `header(index)` heads the tooltip. */
export function timeAxis({ list, group, width, theme, header, ...more }) {
  let shown = ticks(list, group, Math.max(2, Math.floor(width / 76)));
  const labels = new Map();
  // labels that name months stand at their first days; others name the day itself
  const few = shown.some((i) =>
    group === "day" ? !list[i].key.endsWith("-01") : group === "week" && shown.length === list.length,
  );
  // a pause that is left out is told, and where it goes on
  const gaps = list.flatMap(({ gap }, i) => (gap ? [i, i + 1] : [])).filter((i) => i < list.length);
  if (gaps.length && gaps.length < 9) shown = [...new Set([...shown, ...gaps])].sort((a, b) => a - b);
  shown.forEach((i, n) => labels.set(i, bucketShort(list[i], list[shown[n - 1]], group, few)));
  return {
    type: "category",
    data: list.map((bucket) => bucket.key),
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: {
      show: list.length > 1,
      alignWithLabel: true,
      interval: (i) => labels.has(i),
      lineStyle: { color: theme.line },
    },
    axisLabel: {
      color: theme.muted,
      fontSize: 12,
      interval: (i) => labels.has(i),
      formatter: (_, i) => labels.get(i) ?? "",
      hideOverlap: true,
    },
    axisPointer: {
      label: {
        formatter: ({ seriesData, value }) =>
          header(seriesData[0]?.dataIndex ?? list.findIndex((b) => b.key === value)),
      },
    },
    ...more,
  };
}

/** A value axis of counts: whole numbers from zero. */
export function countAxis(theme, more) {
  return {
    type: "value",
    min: 0,
    max: ({ max }) => (max < 4 ? 4 : null),
    minInterval: 1,
    splitNumber: 4,
    axisLabel: { color: theme.muted, fontSize: 12, formatter: format.axis },
    splitLine: { lineStyle: { color: theme.line } },
    ...more,
  };
}

/** A value axis of parts of a whole, which may exceed it. */
export const percentAxis = (theme, more) =>
  countAxis(theme, {
    max: null,
    minInterval: 0,
    axisLabel: { color: theme.muted, fontSize: 12, formatter: (part) => format.percent(part, 1), hideOverlap: true },
    ...more,
  });

/** A chart of horizontal bars so narrow has room for few labels. */
export const NARROW = 420;

/** The corners of a horizontal bar: round where it ends. */
export const END = [0, 3, 3, 0];

/** What is in the middle of a ring: all of it, and what it is of. */
export const totalTitle = (theme, total, what) => ({
  text: format.compact(total),
  subtext: what,
  left: "center",
  top: "middle",
  itemGap: 4,
  textStyle: { color: theme.text, fontSize: 22, fontWeight: 600 },
  subtextStyle: { color: theme.muted, fontSize: 13 },
});

/** The axis of horizontal bars, the first on top. */
export function nameAxis(theme, names, width) {
  return {
    id: "names",
    type: "category",
    inverse: true,
    data: names,
    axisLine: { lineStyle: { color: theme.line } },
    axisTick: { show: false },
    axisLabel: { color: theme.text, fontSize: 13, width: Math.min(180, Math.round(width * 0.38)), overflow: "truncate", ellipsis: "…" },
  };
}

/** What a group's buckets are called. */
export const GROUP_NAMES = { minute: "Minute", quarter: "15 min", hour: "Hour", day: "Day", week: "Week", month: "Month" };

/** How what is not over yet is drawn: paler, within an edge of its full colour. */
export const unfinished = (color) => ({ color: `${color}80`, borderColor: color, borderWidth: 1 });

/**
 * Figures by bucket as bar items of a colour: today's bucket is unfinished; the future has no bar. `today` is the
 * moment that it is where buckets have moments.
 */
export function barItems(sums, list, today, color) {
  return sums.map((value, i) => {
    const { from, to } = list[i];
    if (from > today) return value || "-";
    return to > today ? { value, itemStyle: unfinished(color) } : value;
  });
}

/** The thin line of what there was in the period of comparison, over the bars of what there is. */
export function comparedLine(theme, sums) {
  return {
    type: "line",
    name: "Before",
    step: "middle",
    showSymbol: false,
    silent: true,
    emphasis: { disabled: true },
    color: theme.text,
    lineStyle: { color: theme.text, width: 1.25, opacity: 0.8 },
    data: sums,
  };
}

/** A bar item's value in words. */
export const countOrNothing = (value) => (typeof value === "number" ? format.count(value) : "–");

/** The pauses that are left out, as a sentence; "" where there is none. */
export function pausesLeftOut(list) {
  const gaps = list.filter(({ gap }) => gap).map(({ from, to }) => format.monthRange(from, to));
  return gaps.length ? `Left out, for nothing happened then: ${gaps.join("; ")}.` : "";
}

export const hasToday = (list, today) => list.some(({ from, to }) => from <= today && to > today);
export const UNFINISHED = "The paler bar is not over yet.";
