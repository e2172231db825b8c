// What the card of windows shows: windows as bars over their span, or how long sessions are.

import { countAxis, momentAxis } from "./axes.js";
import { lengthInWords, overlap } from "./choice.js";
import * as format from "./format.js";
import { startOf } from "./moments.js";
import { GREY, groupColor, groupName } from "./palette.js";

// a tooltip of more lines than these hides the chart
const LINES = 8;
// hopping windows of so few pixels have no outlines
const OUTLINED = 4;
/** Narrower ones have no edges. */
export const NARROW_OPACITY = 0.8;
const LANE = 84;
const HIDDEN = { show: false };

const FIGURES = { events: ["event", "events"], orders: ["order", "orders"] };

/** Windows in words: "14:00 – 15:00" of today, else with their days. */
export function spanInWords({ start, end }, zone, { seconds = false } = {}) {
  const [first, last] = [start, end].map((time) => format.dayOf(time, zone));
  const from = format.moment(start, zone, null, { seconds });
  return `${from} – ${first === last ? format.clockTime(end, zone, seconds) : format.moment(end, zone, null, { seconds })}`;
}

/**
 * `shape` is what spans.js made of the rows, `choice` a decided one of choice.js, `range` one of range.js,
 * `cut` whether there are windows {before, after} the shape's.
 */
export function windowsView({ shape, choice, range, cut, zone, now, page }) {
  const { windows, groups } = shape;
  const hopping = choice.kind === "hopping";
  const figure = FIGURES[choice.figure];
  const words = (n) => `${format.count(n)} ${figure[n === 1 ? 0 : 1]}`;
  const named = groups.map(({ value, others, sum }) => ({
    name: others ? `${format.count(others)} others` : groupName(choice.group, value),
    color: others ? GREY : groupColor(choice.group, value),
    pick: others || value === null || !choice.group ? null : page.toggle(choice.group, value),
    sum,
  }));
  const rangeStart = startOf(range.from, zone);
  const rangeEnd = startOf(range.to, zone);
  const ends = windows.reduce((last, { end }) => Math.max(last, end), -Infinity);
  const min = cut.before ? windows[0].start : Math.min(rangeStart, windows[0]?.start ?? rangeStart);
  const max = cut.after ? ends : Math.max(rangeEnd, ends);
  const layers = overlap(choice);
  const seconds = choice.size.endsWith("s");

  const notes = [];
  if (!windows.length) notes.push("No windows with events in this range.");
  if (shape.torn) notes.push("This window has more groups than are read at a time: the bar is not all of it.");
  else if (cut.before || cut.after) {
    const [from, to] = [windows[0].start, ends].map((time) => format.moment(time, zone, null, { seconds }));
    const where = cut.before && cut.after ? "Before and after" : cut.before ? "Before" : "After";
    notes.push(
      `Drawn are the windows from ${from} to ${to}, as many as are read at a time. ${where} them there are more: turn the table’s pages, or choose longer windows or a shorter range.`,
    );
  }
  if (windows.some(({ start, end }) => start < rangeStart || end > rangeEnd))
    notes.push("A window that reaches beyond the range counts only what lies in it.");
  if (windows.some(({ start, end }) => start <= now && end > now)) notes.push("The paler bar is not over yet.");
  // groups of windows that overlap are lanes beneath each other: on one axis they would be a thicket
  const lanes = hopping && shape.grouped;
  const highest = windows.reduce((most, { parts }) => Math.max(most, ...parts), 1);
  if (lanes && windows.length) notes.push(`All lanes have the same scale, the highest bar is ${words(highest)}.`);
  const told = (window) => [
    `${spanInWords(window, zone, { seconds })}: ${words(window.total)}`,
    ...(shape.grouped ? linesOf(window, named) : []),
  ];
  return {
    label: `${windows.length} ${choice.kind} windows of ${lengthInWords(choice.size)}, ${format.dayRange(range.from, range.to, zone)}${
      shape.grouped ? `: ${named.map(({ name, sum }) => (hopping ? name : `${name} ${words(sum)}`)).join(", ")}` : ""
    }. The table beneath has them all.`,
    legend: shape.grouped
      ? // an event of hopping windows is counted several times, so that sums say nothing
        named.map(({ name, color, pick, sum }) => ({ name, color, pick, ...(hopping ? {} : { value: format.count(sum) }) }))
      : [],
    note: notes.join(" "),
    height: lanes ? Math.max(200, named.length * LANE + 40) : undefined,
    option: (theme, width) => ({
      animation: false,
      grid: { id: "grid", left: 4, right: 12, top: 12, bottom: 4, outerBoundsMode: "same" },
      xAxis: [momentAxis({ id: "time", min, max, zone, width, theme })],
      yAxis: [
        lanes ? laneAxis(named, width, theme) : countAxis(theme, { id: "counts", axisLine: HIDDEN, axisTick: HIDDEN }),
      ],
      tooltip: {
        trigger: "axis",
        axisPointer: {
          type: "line",
          axis: "x",
          snap: false,
          label: { show: false },
          lineStyle: { color: theme.muted },
        },
        formatter: ([{ axisValue }]) => tooltip(axisValue, windows, told, zone),
      },
      series: [
        {
          id: lanes ? "lanes" : "windows",
          type: "custom",
          clip: true,
          encode: { x: [0, 1], y: 2 },
          data: windows.map(({ start, end, total }) => [start, end, lanes ? 0 : total]),
          renderItem: ({ dataIndex }, api) => {
            const { start, end, parts, total } = windows[dataIndex];
            const [left, zero] = api.coord([start, 0]);
            const width = api.coord([end, 0])[0] - left;
            const y = (n) => api.coord([start, n])[1];
            let children;
            if (lanes) {
              const room = api.size([0, 1])[1];
              children = parts.flatMap((part, i) => {
                const foot = y(i) + room / 2;
                const top = foot - (part / highest) * (room - 8);
                return part ? translucent({ left, width, foot, top }, named[i].color, layers) : [];
              });
            } else if (hopping) {
              children = total ? translucent({ left, width, foot: zero, top: y(total) }, theme.accent, layers) : [];
            } else {
              children = stacked(
                parts,
                { left, width, y },
                shape.grouped ? named.map(({ color }) => color) : [theme.accent],
              );
            }
            // what is not over yet is paler, within an edge
            if (start <= now && end > now)
              for (const { style } of children) Object.assign(style, { fillOpacity: 0.5, stroke: style.fill, lineWidth: 1 });
            return { type: "group", children };
          },
        },
      ],
    }),
  };
}

function linesOf(window, named) {
  return named
    .map(({ name }, i) => ({ name, part: window.parts[i] }))
    .filter(({ part }) => part > 0)
    .sort((a, b) => b.part - a.part)
    .map(({ name, part }) => `   ${name}  ${format.count(part)} (${format.percent(part, window.total)})`);
}

/** All windows that a moment lies in, each in its lines. */
function tooltip(time, windows, told, zone) {
  const here = windows.filter(({ start, end }) => start <= time && time < end);
  if (!here.length) return `${format.moment(time, zone, null)}: no events`;
  // the groups of several windows would be a wall of words
  const lines = here.length === 1 ? told(here[0]) : here.map((window) => told(window)[0]);
  const shown = lines.slice(0, here.length === 1 ? undefined : LINES);
  return [...shown, ...(lines.length > shown.length ? [`and ${lines.length - shown.length} more windows`] : [])].join(
    "\n",
  );
}

function stacked(parts, { left, width, y }, colors) {
  let sum = 0;
  // a line of the card between neighbours, where there is room for one
  const wide = Math.max(1, width - (width > 3 ? 1 : 0));
  return parts.flatMap((part, i) => {
    if (!part) return [];
    const foot = y(sum);
    sum += part;
    return [rect(left, y(sum), wide, foot, { fill: colors[i] })];
  });
}

/** A bar that one can look through, its top drawn solid: so it can be told from those it overlaps. */
function translucent({ left, width, foot, top }, fill, layers) {
  const wide = Math.max(1, width);
  if (wide < OUTLINED) return [rect(left, top, wide, foot, { fill, opacity: NARROW_OPACITY })];
  const opacity = Math.max(0.05, Math.min(0.45, 0.7 / layers));
  const edge = { fill, opacity: Math.min(0.6, 2 * opacity) };
  return [
    rect(left, top, wide, foot, { fill, opacity }),
    rect(left, top, 1, foot, edge),
    rect(left + wide - 1, top, 1, foot, edge),
    rect(left, top - 1, wide, top + 1, { fill }),
  ];
}

const rect = (x, top, width, foot, style) => ({
  type: "rect",
  shape: { x, y: top, width, height: foot - top },
  style: { ...style },
});

/** A lane a group, the largest on top. */
function laneAxis(named, width, theme) {
  return {
    id: "lanes",
    type: "category",
    inverse: true,
    data: named.map(({ name }) => name),
    axisLine: HIDDEN,
    axisTick: HIDDEN,
    splitLine: { show: true, lineStyle: { color: theme.line } },
    axisLabel: { color: theme.text, fontSize: 13, interval: 0, width: Math.min(140, width / 4), overflow: "truncate" },
  };
}

/** `sessions` as /api/sessions has them. */
export function sessionsView(sessions, gap) {
  const last = sessions.histogram.findLastIndex((part) => part.sessions > 0);
  const parts = sessions.histogram.slice(0, Math.max(last + 1, 4)).map((part, i, all) => {
    const [more, most] = [all[i - 1]?.up_to_seconds, part.up_to_seconds];
    return {
      sessions: part.sessions,
      short: most === null ? "longer" : format.length(most),
      long:
        more === undefined
          ? "0 s: one event, or several at the same moment"
          : most === null
            ? `longer than ${format.length(more)}`
            : `longer than ${format.length(more)}, up to ${format.length(most)}`,
    };
  });
  const all = sessions.sessions;
  return {
    label: `Sessions with pauses of at most ${gap}, by their length: ${parts
      .filter((part) => part.sessions > 0)
      .map((part) => `${part.long}: ${format.count(part.sessions)}`)
      .join("; ")}.`,
    note: all === 0 ? "No session begins in this range." : "",
    table: () => ({
      head: ["Length", "Sessions", "Share"],
      rows: parts.map((part) => [part.long, format.count(part.sessions), format.percent(part.sessions, all)]),
      foot: ["All", format.count(all), format.percent(all, all)],
    }),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 4, top: 24, bottom: 24, outerBoundsMode: "same" },
      xAxis: [
        {
          id: "lengths",
          type: "category",
          name: "A session’s length, up to",
          nameLocation: "middle",
          nameGap: 28,
          nameTextStyle: { color: theme.muted, fontSize: 12 },
          data: parts.map((part) => part.short),
          axisLine: { lineStyle: { color: theme.line } },
          axisTick: { show: false },
          axisLabel: { color: theme.muted, fontSize: 12, hideOverlap: true },
        },
      ],
      yAxis: [countAxis(theme, { id: "counts" })],
      tooltip: {
        trigger: "axis",
        formatter: ([{ dataIndex }]) => {
          const part = parts[dataIndex];
          return `${part.long}\n${format.count(part.sessions)} sessions (${format.percent(part.sessions, all)})`;
        },
      },
      series: [
        {
          id: "sessions",
          type: "bar",
          name: "Sessions",
          color: theme.accent,
          silent: true,
          emphasis: { disabled: true },
          barMaxWidth: 72,
          barCategoryGap: "16%",
          itemStyle: { borderRadius: [3, 3, 0, 0] },
          label: {
            // where they have room beside each other
            show: width / parts.length > 52,
            position: "top",
            color: theme.muted,
            fontSize: 12,
            formatter: ({ value }) => (value ? format.compact(value) : ""),
          },
          data: parts.map((part) => part.sessions),
        },
      ],
    }),
  };
}
