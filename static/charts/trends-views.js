// What the cards of Trends show beside the charts over time: hours of the week, devices, sources, audience, a scatter.

import { countAxis, END, nameAxis, pausesLeftOut, timeAxis, totalTitle } from "./axes.js";
import * as format from "./format.js";
import { nothing } from "./nothing.js";
import { EVENT_TYPES, GREY, groupColor, groupName, onColor, productColor, title } from "./palette.js";
import { addDays, buckets, withoutPauses } from "./range.js";

const WEEKDAYS = [1, 2, 3, 4, 5, 6, 7];
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const CLICKSTREAM = "shopwindow simulate --profile clickstream";
const MOST = 6;
const MOST_GROUPS = 12;

export const eventsOf = (row) => EVENT_TYPES.reduce((sum, { key }) => sum + row[key], 0);

/** The name of a weekday from Monday, 1, on. */
const weekday = (number, style = "long") =>
  new Intl.DateTimeFormat(undefined, { weekday: style, timeZone: "UTC" }).format(new Date(Date.UTC(2024, 0, number)));
const hourName = (hour) => `${String(hour).padStart(2, "0")}:00`;

/** `rows` of /api/heatmap for a zone. */
export function heatmapView(rows, zone) {
  const figures = new Map(rows.map((row) => [`${row.weekday} ${row.hour}`, eventsOf(row)]));
  const at = (day, hour) => figures.get(`${day} ${hour}`) ?? 0;
  const all = WEEKDAYS.flatMap((day) => HOURS.map((hour) => at(day, hour)));
  const [least, most] = [Math.min(...all), Math.max(1, ...all)];
  const [busiest] = [...figures].sort((a, b) => b[1] - a[1]);
  const [busyDay, busyHour] = (busiest?.[0] ?? "1 0").split(" ").map(Number);
  const words = busiest ? `Busiest: ${weekday(busyDay)} from ${hourName(busyHour)}, ${format.count(busiest[1])} events.` : "";
  return {
    label: `Events by the hours of the week in ${zone}. ${words}`,
    note: `${words} Hours are those of ${zone}; all weeks of the range together.`,
    legend: [
      { color: "var(--tint)", name: "Fewest", value: format.count(least) },
      { color: "var(--accent)", name: "Most", value: format.count(most) },
    ],
    height: 300,
    table: () => ({
      head: ["Hour", ...WEEKDAYS.map((day) => weekday(day, "short"))],
      rows: HOURS.map((hour) => [hourName(hour), ...WEEKDAYS.map((day) => format.count(at(day, hour)))]),
    }),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 4, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [
        {
          id: "hours",
          type: "category",
          data: HOURS.map(hourName),
          axisLine: { show: false },
          axisTick: { show: false },
          axisLabel: { color: theme.muted, fontSize: 12, interval: width < 620 ? 5 : 2 },
        },
      ],
      yAxis: [nameAxis(theme, WEEKDAYS.map((day) => weekday(day, width < 620 ? "short" : "long")), width)],
      tooltip: {
        trigger: "item",
        formatter: ({ value: [hour, day, events] }) =>
          `${weekday(day + 1)}, ${hourName(hour)}: ${format.count(events)} events`,
      },
      visualMap: { show: false, min: Math.min(least, most - 1), max: most, inRange: { color: [theme.heat[0], theme.heat[1]] } },
      series: [
        {
          id: "hours",
          type: "heatmap",
          itemStyle: { borderColor: theme.card, borderWidth: 2, borderRadius: 4 },
          emphasis: { disabled: true },
          data: WEEKDAYS.flatMap((day) => HOURS.map((hour) => [hour, day - 1, at(day, hour)])),
        },
      ],
    }),
  };
}

/** The rows of what events say, and that there are any of. */
export const stated = (rows) => rows.filter((row) => row.value !== null && eventsOf(row) > 0);

const colored = (color) => ({ itemStyle: { color }, label: { color: onColor(color) } });

/** `devices` of /api/breakdown?by=device, and of each the rows by os: [[device, rows]]. */
export function devicesView(devices, systems, page) {
  const list = stated(devices);
  if (!list.length) return nothing("No event of this range tells its device. To see some:", CLICKSTREAM);
  const of = new Map(systems);
  const total = list.reduce((sum, row) => sum + eventsOf(row), 0);
  const parts = list.map((row) => ({ row, systems: stated(of.get(row.value) ?? []) }));
  return {
    label: `Events by device: ${list.map((row) => `${groupName("device", row.value)} ${format.count(eventsOf(row))}`).join(", ")}.`,
    note: "Inside the device, around it its systems; of the events that tell theirs.",
    legend: list.map((row) => ({
      color: groupColor("device", row.value),
      name: groupName("device", row.value),
      value: format.count(eventsOf(row)),
      share: format.percent(eventsOf(row), total),
      pick: page.toggle("device", row.value),
    })),
    table: () => {
      const rows = parts.flatMap(({ row, systems: own }) => [
        { cells: [groupName("device", row.value), "all", format.count(eventsOf(row))], pick: page.toggle("device", row.value) },
        ...own.map((system) => ({
          cells: [groupName("os", system.value), groupName("device", row.value), format.count(eventsOf(system))],
          pick: page.toggleAll({ device: row.value, os: system.value }),
        })),
      ]);
      return { head: ["Device or system", "Of", "Events"], rows: rows.map(({ cells }) => cells), picks: rows.map(({ pick }) => pick) };
    },
    pick: ({ data }) => data.picks ?? null,
    option: (theme) => ({
      grid: [],
      xAxis: [],
      yAxis: [],
      tooltip: { trigger: "item", formatter: ({ name, value }) => `${name}: ${format.count(value)} (${format.percent(value, total)})` },
      series: [
        {
          id: "devices",
          type: "sunburst",
          radius: ["24%", "96%"],
          nodeClick: false,
          sort: undefined,
          emphasis: { focus: "ancestor" },
          itemStyle: { borderColor: theme.card, borderWidth: 2 },
          label: { fontSize: 12, minAngle: 16 },
          data: parts.map(({ row, systems: own }) => ({
            name: groupName("device", row.value),
            picks: page.toggle("device", row.value),
            value: eventsOf(row),
            ...colored(groupColor("device", row.value)),
            children: own.map((system) => ({
              name: groupName("os", system.value),
              picks: page.toggleAll({ device: row.value, os: system.value }),
              value: eventsOf(system),
              ...colored(groupColor("os", system.value)),
            })),
          })),
        },
      ],
    }),
  };
}

/** `rows` of /api/breakdown?by=traffic_source, more than a few as others. */
export function sourcesView(rows, page) {
  const list = stated(rows);
  if (!list.length) return nothing("No event of this range tells where its visitor came from. To see some:", CLICKSTREAM);
  const total = list.reduce((sum, row) => sum + eventsOf(row), 0);
  const own = list.slice(0, list.length > MOST ? MOST - 1 : MOST);
  const rest = list.slice(own.length).reduce((sum, row) => sum + eventsOf(row), 0);
  const slices = own.map((row) => ({
    name: groupName("traffic_source", row.value),
    value: eventsOf(row),
    color: groupColor("traffic_source", row.value),
    pick: page.toggle("traffic_source", row.value),
  }));
  if (rest) slices.push({ name: "Others", value: rest, color: GREY });
  return {
    label: `Events by traffic source: ${slices.map(({ name, value }) => `${name} ${format.percent(value, total)}`).join(", ")}.`,
    note: "Of the events that tell where their visitor came from.",
    legend: slices.map(({ name, value, color, pick }) => ({
      name,
      color,
      pick,
      value: format.count(value),
      share: format.percent(value, total),
    })),
    table: () => ({
      head: ["Traffic source", "Events", "Share"],
      rows: slices.map(({ name, value }) => [name, format.count(value), format.percent(value, total)]),
      picks: slices.map(({ pick }) => pick),
    }),
    pick: ({ dataIndex }) => slices[dataIndex].pick ?? null,
    option: (theme) => ({
      grid: [],
      xAxis: [],
      yAxis: [],
      title: totalTitle(theme, total, "events"),
      tooltip: { trigger: "item", valueFormatter: (n) => `${format.count(n)}  (${format.percent(n, total)})` },
      series: [
        {
          id: "sources",
          type: "pie",
          name: "Events",
          radius: ["64%", "94%"],
          label: { show: false },
          emphasis: { scale: false },
          itemStyle: { borderColor: theme.card, borderWidth: 2 },
          data: slices.map(({ name, value, color }) => ({ name, value, itemStyle: { color } })),
        },
      ],
    }),
  };
}

export const AUDIENCE = [
  { by: "gender", name: "Gender" },
  { by: "age_group", name: "Age" },
  { by: "membership_level", name: "Membership" },
  { by: "region", name: "Region" },
];

/**
 * Users by one of these: {by, rows of /api/breakdown}, or with `told` of /api/audience: no filter picks what users told,
 * for filters go by what the events say.
 */
export function audienceView({ by, rows, told = false }, page) {
  const { name } = AUDIENCE.find((one) => one.by === by);
  const bars = (told ? rows : stated(rows)).slice(0, MOST_GROUPS).map((row) => ({
    row,
    label: groupName(by, row.value),
    color: groupColor("audience", by),
    figures: [row.users, ...(told ? [row.events] : [eventsOf(row), row.order])].map(format.count),
    pick: told ? null : page.toggle(by, row.value),
  }));
  if (!bars.length) return nothing("No event of this range tells who made it. To see some:", CLICKSTREAM);
  return {
    label: `Users by ${name.toLowerCase()}: ${bars.map(({ label, row }) => `${label} ${format.count(row.users)}`).join(", ")}.`,
    note: told
      ? "Distinct users by what the latest update of each told. This filters nothing: filters go by what events say, and these say nothing of it."
      : "Distinct users of the events that say so; whoever changed is a user of both.",
    legend: [],
    height: 32 + bars.length * 28,
    table: () => ({
      head: [name, "Users", "Events", ...(told ? [] : ["Orders"])],
      rows: bars.map(({ label, figures }) => [label, ...figures]),
      picks: bars.map(({ pick }) => pick),
    }),
    pick: ({ dataIndex }) => bars[dataIndex].pick,
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 56, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts", axisLabel: { show: false }, splitLine: { show: false } })],
      yAxis: [nameAxis(theme, bars.map(({ label }) => label), width)],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: [
        {
          id: "users",
          type: "bar",
          name: "Users",
          cursor: told ? "default" : "pointer",
          barMaxWidth: 18,
          itemStyle: { borderRadius: END },
          label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ value }) => format.compact(value) },
          data: bars.map(({ row, color }) => ({ value: row.users, itemStyle: { color } })),
        },
      ],
    }),
  };
}

/** `byProduct`: [product, daily rows of its orders]: a dot a day and product, at how many orders it had. */
export function scatterView(byProduct, page) {
  const series = byProduct.map(([product, rows]) => ({
    product,
    dots: rows.filter(({ order }) => order > 0).map(({ day, order }) => [day, order]),
  }));
  const dots = series.reduce((sum, { dots: own }) => sum + own.length, 0);
  if (!dots) return nothing("No orders in this range.");
  const filled = new Set(series.flatMap(({ dots: own }) => own.map(([day]) => day)));
  const days = [...filled].sort();
  const list = buckets(days[0], addDays(days.at(-1), 1), "day");
  const drawn = withoutPauses(list, list.map(({ key }) => filled.has(key)));
  const spread = (own) => {
    const orders = own.map(([, order]) => order).sort((a, b) => a - b);
    return [orders[0], orders[orders.length >> 1], orders.at(-1)].map((n) => format.count(n ?? 0));
  };
  return {
    label: `Orders a day by product, a dot each: ${series.map(({ product, dots: own }) => `${title(product)} between ${spread(own)[0]} and ${spread(own)[2]}`).join("; ")}.`,
    note: ["A dot is a day of a product: how much its orders vary, and which days stand out.", pausesLeftOut(drawn)]
      .filter(Boolean)
      .join(" "),
    legend: series.map(({ product, dots: own }) => ({
      name: title(product),
      color: productColor(product),
      value: spread(own)[1],
      share: "a day, median",
      pick: page.toggle("product", product),
    })),
    table: () => {
      const of = series.map(({ dots: own }) => new Map(own));
      return {
        head: ["Day", ...series.map(({ product }) => title(product))],
        rows: days.map((day) => [format.dayFull(day), ...of.map((orders) => format.count(orders.get(day) ?? 0))]),
      };
    },
    pick: ({ seriesIndex }) => page.toggle("product", series[seriesIndex].product),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 12, top: 12, bottom: 4, outerBoundsMode: "same" },
      xAxis: [
        timeAxis({ id: "days", list: drawn, group: "day", width, theme, header: (i) => format.dayFull(drawn[i].key) }),
      ],
      yAxis: [countAxis(theme, { id: "counts" })],
      tooltip: {
        trigger: "item",
        formatter: ({ seriesName, value: [day, order] }) => `${seriesName}, ${format.dayFull(day)}: ${format.count(order)} orders`,
      },
      series: series.map(({ product, dots: own }) => ({
        id: product,
        type: "scatter",
        name: title(product),
        color: productColor(product),
        symbolSize: dots > 500 ? 7 : 10,
        itemStyle: { borderColor: theme.card, borderWidth: 0.5 },
        large: own.length > 2_000,
        data: own,
      })),
    }),
  };
}
