// Counts of all event types over time: a panel each, for shows outnumber orders thirty to one.

import { barItems, bucketLong, countAxis, countOrNothing, hasToday, timeAxis, UNFINISHED } from "./axes.js";
import * as format from "./format.js";
import { EVENT_TYPES } from "./palette.js";
import { sumBy } from "./range.js";

const PANEL = 84;
const HEAD = 48;
const FOOT = 28;
const TITLE = 36;
// room for the labels of the counts
const LEFT = 44;
const ALWAYS = ["banner_show", "banner_click", "order"];

export function dailyView({ all, list, group, today }) {
  const panels = EVENT_TYPES.map((type) => ({ ...type, sums: sumBy(all, list, group, (row) => row[type.key]) }))
    .map((panel) => ({ ...panel, total: panel.sums.reduce((a, b) => a + b, 0) }))
    .filter(({ key, total }) => total > 0 || ALWAYS.includes(key));
  const missing = EVENT_TYPES.filter(({ key }) => !panels.some((panel) => panel.key === key));
  const notes = [];
  if (hasToday(list, today)) notes.push(UNFINISHED);
  if (missing.length)
    notes.push(`None of these in this range: ${missing.map(({ name }) => name.toLowerCase()).join(", ")}.`);
  const dense = list.length > 120;
  return {
    label: `Events over time, ${format.dayRange(list[0].from, list.at(-1).to)}: ${panels
      .map(({ what, total }) => `${what.toLowerCase()} ${format.count(total)}`)
      .join(", ")}.`,
    note: notes.join(" "),
    height: panels.length * (PANEL + HEAD) + FOOT - HEAD + TITLE,
    table: () => ({
      head: [group === "day" ? "Day" : group === "week" ? "Week" : "Month", ...panels.map(({ name }) => name)],
      rows: list.flatMap((bucket, i) =>
        bucket.from > today && panels.every(({ sums }) => !sums[i])
          ? []
          : [[bucketLong(bucket, group), ...panels.map(({ sums }) => format.count(sums[i]))]],
      ),
      foot: ["All", ...panels.map(({ total }) => format.count(total))],
    }),
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
        silent: true,
        emphasis: { disabled: true },
      });
      const top = (n) => n * (PANEL + HEAD) + TITLE;
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
          ...panels.map(({ key }, n) => ({ ...box, id: key, top: top(n), height: PANEL, tooltip: { show: false } })),
          { ...box, id: "pointer", top: top(0), height: top(last) + PANEL - top(0) },
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
          ...panels.map(({ key, sums }, n) => ({
            ...bars(n),
            id: key,
            barMaxWidth: 56,
            barCategoryGap: dense ? "12%" : "24%",
            data: barItems(sums, list, today),
          })),
          ...panels.map(({ key, sums }, n) => ({
            ...bars(n),
            id: `${key} pointer`,
            xAxisIndex: last + 1,
            yAxisIndex: last + 1,
            itemStyle: { opacity: 0 },
            data: barItems(sums, list, today).map((item) => item.value ?? item),
          })),
        ],
      };
    },
  };
}
