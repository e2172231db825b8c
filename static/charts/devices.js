// Shares of desktop, mobile and tablet.

import { MOTION, totalTitle } from "./axes.js";
import * as format from "./format.js";
import { deviceColor, EVENT_TYPES, eventType, title } from "./palette.js";

const ORDER = ["desktop", "mobile", "tablet"];

/** What one may choose from: all events, and each type that happened. `rows` of /api/breakdown?by=site_version. */
export function deviceChoices(rows) {
  const happened = EVENT_TYPES.filter(({ key }) => rows.some((row) => row[key] > 0));
  return [["all", "All events"], ...happened.map(({ key, what }) => [key, what])];
}

export function devicesView(rows, choice, page) {
  const types = choice === "all" ? EVENT_TYPES.map(({ key }) => key) : [choice];
  const figure = (row) => (row ? types.reduce((sum, key) => sum + row[key], 0) : 0);
  const slices = ORDER.map((value) => ({
    value,
    name: title(value),
    color: deviceColor(value),
    n: figure(rows.find((row) => row.value === value)),
  }));
  const unknown = rows.filter((row) => !ORDER.includes(row.value)).reduce((sum, row) => sum + figure(row), 0);
  if (unknown) slices.push({ name: "Not stated", color: deviceColor(null), n: unknown });
  const total = slices.reduce((sum, { n }) => sum + n, 0);
  const pick = (value) => (value ? page.toggle("site_version", value) : null);
  const what = choice === "all" ? "All events" : eventType(choice).what;
  return {
    label: `${what} by device: ${slices.map(({ name, n }) => `${name} ${format.count(n)} (${format.percent(n, total)})`).join(", ")}.`,
    note: total === 0 ? "None of these in this range." : "",
    legend: slices.map(({ value, name, color, n }) => ({
      name,
      color,
      value: format.count(n),
      share: format.percent(n, total),
      pick: pick(value),
    })),
    pick: ({ dataIndex }) => pick(slices[dataIndex].value),
    table: () => ({
      head: ["Device", what, "Share"],
      rows: slices.map(({ name, n }) => [name, format.count(n), format.percent(n, total)]),
      foot: ["All", format.count(total), format.percent(total, total)],
      picks: slices.map(({ value }) => pick(value)),
    }),
    option: (theme) => ({
      grid: [],
      xAxis: [],
      yAxis: [],
      title: totalTitle(theme, total, what.toLowerCase()),
      tooltip: { trigger: "item", valueFormatter: (n) => `${format.count(n)}  (${format.percent(n, total)})` },
      series: [
        {
          id: "devices",
          type: "pie",
          name: what,
          radius: ["64%", "94%"],
          startAngle: 90,
          // a pie's own defaults are a slow start, and every update drawn from nothing
          animationDuration: MOTION,
          animationTypeUpdate: "transition",
          label: { show: false },
          emphasis: { scale: false },
          itemStyle: { borderColor: theme.card, borderWidth: 2 },
          emptyCircleStyle: { color: theme.line },
          stillShowZeroSum: false,
          data: slices.map(({ name, color, n }) => ({ name, value: n, itemStyle: { color } })),
        },
      ],
    }),
  };
}
