// What there was on each day of a range, for the play of days. No document in here.

import * as format from "./format.js";
import { countAxis, NARROW, nameAxis } from "./axes.js";
import { deviceColor, EVENT_TYPES, GREY, groupColor, groupName, productColor, title } from "./palette.js";

/** Days a second. */
export const SPEEDS = [1, 4, 12];
// a page that was hidden does not leap
const LONGEST_FRAME = 250;

/**
 * Where the play is after a frame of so many milliseconds: {at, rest, over}, `rest` the part of a day to add to the
 * next frame, `over` when the last day, index `last`, is reached.
 */
export function advance({ at, rest }, milliseconds, speed, last) {
  const passed = rest + (Math.max(0, Math.min(milliseconds, LONGEST_FRAME)) * speed) / 1000;
  const next = Math.min(last, at + Math.floor(passed));
  return { at: next, rest: passed % 1, over: next === last };
}

/** The index of a day, of the last one before it where the list does not have it, and the first where there is none. */
export const placeOf = (days, day) => Math.max(0, days.findLastIndex((one) => one <= day));

const eventsOf = (row) => EVENT_TYPES.reduce((sum, { key }) => sum + row[key], 0);

/**
 * The days of a range and, in groups of parts, their counts, one a day. `all` are the daily rows of everything;
 * `products`, `devices` and `sources` [value, daily rows] of what is told apart. What these leave is a part of its own.
 */
export function playDays({ all, products, devices, sources }) {
  const days = all.map(({ day }) => day);
  const group = (name, parts, rest, count) => {
    const own = parts.map(({ rows, ...part }) => {
      const of = new Map(rows.map((row) => [row.day, count(row)]));
      return { ...part, counts: days.map((day) => of.get(day) ?? 0) };
    });
    // several reads of figures that grow: never less than nothing
    const left = all.map((row, i) => Math.max(0, own.reduce((sum, { counts }) => sum - counts[i], count(row))));
    if (left.some((n) => n > 0)) own.push({ name: rest, color: GREY, counts: left });
    return { name, parts: own, most: own.reduce((most, { counts }) => Math.max(most, ...counts), 1) };
  };
  const ofProducts = products.map(([value, rows]) => ({ name: title(value), color: productColor(value), rows }));
  const ofDevices = devices.map(([value, rows]) => ({ name: title(value), color: deviceColor(value), rows }));
  const ofSources = sources.map(([value, rows]) => ({
    name: groupName("traffic_source", value),
    color: groupColor("traffic_source", value),
    rows,
  }));
  const types = EVENT_TYPES.map(({ key, name, color }) => ({ name, color, counts: all.map((row) => row[key]) }));
  const happened = types.filter(({ counts }) => counts.some((n) => n > 0));
  const groups = [
    { name: "Events", parts: happened, most: happened.reduce((most, { counts }) => Math.max(most, ...counts), 1) },
    group("Orders by product", ofProducts, "Others", (row) => row.order),
    group("Events by device", ofDevices, "Not stated", eventsOf),
  ];
  if (sources.length) groups.push(group("Events by traffic source", ofSources, "Not stated", eventsOf));
  return { days, groups: groups.filter(({ parts }) => parts.length) };
}

const ROW = 26;
const HEAD = 32;
const GAP = 20;

/** The view of the day at an index. The scale of each group is that of the whole range, so that days compare. */
export function dayView({ days, groups }, at) {
  const day = format.dayLong(days[at]);
  const heights = groups.map(({ parts }) => HEAD + parts.length * ROW);
  // two beside each other, each pair as high as the higher
  const columnsOf = (width) => (width < 720 ? 1 : 2);
  const placed = (columns) => {
    let top = 0;
    const boxes = groups.map((_, i) => {
      const row = heights.slice(i - (i % columns), i - (i % columns) + columns);
      const box = { column: i % columns, top, height: heights[i] - HEAD };
      if (i % columns === columns - 1 || i === groups.length - 1) top += Math.max(...row) + GAP;
      return box;
    });
    return { boxes, height: top - GAP };
  };
  return {
    label: `${day}: ${groups
      .map(({ name, parts }) => `${name}: ${parts.map((part) => `${part.name} ${format.count(part.counts[at])}`).join(", ")}`)
      .join(". ")}.`,
    note: "Each group keeps one scale through the range, so that days compare.",
    legend: [],
    height: (width) => placed(columnsOf(width)).height,
    table: () => ({
      head: [format.dayFull(days[at]), "Of", "Count"],
      rows: groups.flatMap(({ name, parts }) => parts.map((part) => [part.name, name, format.count(part.counts[at])])),
    }),
    option: (theme, width) => {
      const columns = columnsOf(width);
      const { boxes } = placed(columns);
      const inner = (width - (columns - 1) * 32) / columns;
      const names = inner < NARROW ? 112 : 140;
      const left = ({ column }) => column * (inner + 32);
      return {
        title: groups.map(({ name }, i) => ({
          id: name,
          text: name,
          left: left(boxes[i]),
          top: boxes[i].top + 4,
          padding: 0,
          textStyle: { fontSize: 13, fontWeight: 600, color: theme.text },
        })),
        grid: groups.map(({ name }, i) => ({
          id: name,
          left: left(boxes[i]) + names,
          width: inner - names - 56,
          top: boxes[i].top + HEAD,
          height: boxes[i].height,
          outerBoundsMode: "none",
        })),
        xAxis: groups.map(({ name, most }, i) =>
          countAxis(theme, { id: name, gridIndex: i, max: most, axisLabel: { show: false }, splitLine: { show: false } }),
        ),
        yAxis: groups.map(({ name, parts }, i) => ({
          ...nameAxis(theme, parts.map((part) => part.name), (names - 12) * 3),
          id: name,
          gridIndex: i,
        })),
        tooltip: { trigger: "item", formatter: ({ name, value }) => `${name}: ${format.count(value)}` },
        series: groups.map(({ name, parts }, i) => ({
          id: name,
          type: "bar",
          name,
          xAxisIndex: i,
          yAxisIndex: i,
          barMaxWidth: 16,
          itemStyle: { borderRadius: [0, 3, 3, 0] },
          emphasis: { disabled: true },
          label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ value }) => format.compact(value) },
          data: parts.map(({ counts, color }) => ({ value: counts[at], itemStyle: { color } })),
        })),
      };
    },
  };
}
