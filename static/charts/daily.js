// Counts of all event types over time: a panel each, for shows outnumber orders thirty to one.

import { barItems, bucketLong, comparedLine, countAxis, countOrNothing, GROUP_NAMES, hasToday, pausesLeftOut, timeAxis, UNFINISHED } from "./axes.js";
import * as format from "./format.js";
import { EVENT_TYPES } from "./palette.js";
import { sumBy } from "./range.js";

// as high as three that are always there may be, and as more of them are
const [PANEL, LOW_PANEL] = [84, 60];
const HEAD = 48;
const FOOT = 28;
const TITLE = 36;
// room for the labels of the counts
const LEFT = 44;
const ALWAYS = ["banner_show", "banner_click", "order"];

/**
 * `all` are rows by day or by the key of a fine group, `compared` {rows, period, versus} those of the period of comparison, moved
 * to where they are compared, or null.
 */
export function dailyView({ all, list, group, today, period, compared, page }) {
  const sums = (rows, key) => sumBy(rows, list, group, (row) => row[key]);
  const panels = EVENT_TYPES.map((type) => ({
    ...type,
    sums: sums(all, type.key),
    before: compared && sums(compared.rows, type.key),
  }))
    .map((panel) => ({ ...panel, total: panel.sums.reduce((a, b) => a + b, 0) }))
    .filter(({ key, total }) => total > 0 || ALWAYS.includes(key));
  const missing = EVENT_TYPES.filter(({ key }) => !panels.some((panel) => panel.key === key));
  const notes = [pausesLeftOut(list)].filter(Boolean);
  if (hasToday(list, today)) notes.push(UNFINISHED);
  if (missing.length)
    notes.push(`None of these in this range: ${missing.map(({ name }) => name.toLowerCase()).join(", ")}.`);
  if (compared) notes.push(`The line is ${compared.period}.`);
  const dense = list.length > 120;
  const high = panels.length > ALWAYS.length ? LOW_PANEL : PANEL;
  return {
    label: `Events over time, ${period}: ${panels
      .map(({ what, total }) => `${what.toLowerCase()} ${format.count(total)}`)
      .join(", ")}.`,
    note: notes.join(" "),
    height: panels.length * (high + HEAD) + FOOT - HEAD + TITLE,
    table: () => ({
      head: [
        GROUP_NAMES[group],
        ...panels.map(({ name }) => name),
        ...(compared ? panels.map(({ name }) => `${name} ${compared.versus}`) : []),
      ],
      rows: list.flatMap((bucket, i) =>
        bucket.from > today && panels.every(({ sums }) => !sums[i])
          ? []
          : [
              [
                bucketLong(bucket, group),
                ...panels.map(({ sums }) => format.count(sums[i])),
                ...(compared ? panels.map(({ before }) => format.count(before[i])) : []),
              ],
            ],
      ),
      foot: [
        "All",
        ...panels.map(({ total }) => format.count(total)),
        ...(compared ? panels.map(({ before }) => format.count(before.reduce((a, b) => a + b, 0))) : []),
      ],
    }),
    pick: ({ seriesId }) => page.toggle("event_type", seriesId),
    option: (theme, width) => {
      const last = panels.length - 1;
      const time = {
        list,
        group,
        width: width - LEFT,
        theme,
        header: (i) => `${bucketLong(list[i], group)}${list[i].to > today ? ", so far" : ""}`,
      };
      const box = { left: LEFT, right: 4, outerBoundsMode: "none" };
      const bars = (n) => ({
        type: "bar",
        name: panels[n].name,
        color: panels[n].color,
        xAxisIndex: n,
        yAxisIndex: n,
        emphasis: { disabled: true },
      });
      const top = (n) => n * (high + HEAD) + TITLE;
      return {
        title: panels.map(({ key, what, total }, n) => ({
          id: key,
          text: `{name|${what}}  {total|${format.count(total)}}`,
          left: 0,
          top: top(n) - TITLE + 6,
          padding: 0,
          textStyle: {
            fontSize: 13,
            rich: {
              name: { color: theme.text, fontSize: 13, fontWeight: 600 },
              total: { color: theme.muted, fontSize: 13 },
            },
          },
        })),
        // one more grid lies over all panels, with their figures drawn invisibly: so the pointer is one
        // band through them all, and one tooltip tells the day
        grid: [
          ...panels.map(({ key }, n) => ({ ...box, id: key, top: top(n), height: high, tooltip: { show: false } })),
          { ...box, id: "pointer", top: top(0), height: top(last) + high - top(0) },
        ],
        xAxis: [
          ...panels.map(({ key }, n) => {
            const axis = timeAxis({ ...time, id: key, gridIndex: n });
            return n === last ? axis : { ...axis, axisLabel: { show: false }, axisTick: { show: false } };
          }),
          {
            ...timeAxis({ ...time, id: "pointer", gridIndex: last + 1 }),
            axisLabel: { show: false },
            axisTick: { show: false },
            axisLine: { show: false },
          },
        ],
        yAxis: [
          ...panels.map(({ key }, n) => countAxis(theme, { id: key, gridIndex: n, splitNumber: 2 })),
          { id: "pointer", gridIndex: last + 1, show: false },
        ],
        tooltip: { trigger: "axis", valueFormatter: countOrNothing },
        series: [
          ...panels.map(({ key, color, sums }, n) => ({
            ...bars(n),
            id: key,
            barMaxWidth: 56,
            barCategoryGap: dense ? "12%" : "24%",
            data: barItems(sums, list, today, color),
          })),
          ...panels.flatMap(({ key, before }, n) =>
            before ? [{ ...comparedLine(theme, before), id: `${key} before`, xAxisIndex: n, yAxisIndex: n }] : [],
          ),
          ...panels.map(({ key, color, sums, before }, n) => ({
            ...bars(n),
            id: `${key} pointer`,
            silent: true,
            tooltip: { valueFormatter: (value, i) => versus(value, before?.[i]) },
            xAxisIndex: last + 1,
            yAxisIndex: last + 1,
            itemStyle: { opacity: 0 },
            data: barItems(sums, list, today, color).map((item) => item.value ?? item),
          })),
        ],
      };
    },
  };
}

const versus = (value, before) =>
  before === undefined ? countOrNothing(value) : `${countOrNothing(value)} (vs ${format.count(before)})`;
