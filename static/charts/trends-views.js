// What the cards of the audience in Trends show, made of rows of /api/breakdown, /api/daily and of a week's hours.

import { countAxis, MOTION, nameAxis } from "./axes.js";
import * as format from "./format.js";
import { EVENT_TYPES, GREY, groupColor, groupName, productColor, title } from "./palette.js";

/** More slices than these nobody tells apart: the rest is one. */
const SLICES = 5;
const BARS = 12;
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const SHADES = 6;

/** What fills a card that has nothing to show. Regions are not among what it makes, see noted(). */
const FILLED_BY = "shopwindow simulate --profile clickstream --count 10000";

const add = (numbers) => numbers.reduce((sum, n) => sum + n, 0);
const eventsOf = (row) => add(EVENT_TYPES.map(({ key }) => row[key]));

/** Rows that have a value and events, as [{value, name, color, n}], largest first, and how many events have no value. */
function stated(rows, dimension) {
  const all = rows.map((row) => ({ value: row.value, n: eventsOf(row) })).filter(({ n }) => n > 0);
  const values = all
    .filter(({ value }) => value !== null)
    .sort((a, b) => b.n - a.n)
    .map((one) => ({ ...one, name: groupName(dimension, one.value), color: groupColor(dimension, one.value) }));
  return { values, unknown: add(all.filter(({ value }) => value === null).map(({ n }) => n)) };
}

/** A sentence about what the chart leaves out, and for an empty one the command that would fill it. */
function noted(dimension, values, unknown) {
  const what = title(dimension).toLowerCase();
  // what is simulated has regions in updates of users alone, which are not counted as events
  if (!values.length && dimension === "region")
    return { note: "No event of this range has a region. Those of users are counted by sql/sales_by_region.sql." };
  if (!values.length) return { note: `No event of this range has a ${what}. This makes some:`, command: FILLED_BY };
  return { note: unknown ? `${format.count(unknown)} more events have no ${what}.` : "" };
}

const ring = (theme, id, name, radius, data) => ({
  id,
  type: "pie",
  name,
  radius,
  startAngle: 90,
  // a pie's own defaults are a slow start, and every update drawn from nothing
  animationDuration: MOTION,
  animationTypeUpdate: "transition",
  label: { show: false },
  emphasis: { scale: false },
  itemStyle: { borderColor: theme.card, borderWidth: 2 },
  emptyCircleStyle: { color: theme.line },
  stillShowZeroSum: false,
  data: data.map(({ name, color, n }) => ({ name, value: n, itemStyle: { color } })),
});

const rings = (total, series) => ({
  grid: [],
  xAxis: [],
  yAxis: [],
  tooltip: { trigger: "item", valueFormatter: (n) => `${format.count(n)}  (${format.percent(n, total)})` },
  series,
});

/** Traffic sources as a donut. `rows` of /api/breakdown?by=traffic_source. */
export function sourcesView(rows, page) {
  const { values, unknown } = stated(rows, "traffic_source");
  const total = add(values.map(({ n }) => n));
  const slices = values.slice(0, values.length > SLICES + 1 ? SLICES : SLICES + 1);
  const others = values.slice(slices.length);
  if (others.length) slices.push({ name: `${others.length} others`, color: GREY, n: add(others.map(({ n }) => n)) });
  const pick = ({ value }) => (value === undefined ? null : page.toggle("traffic_source", value));
  return {
    label: `Events by traffic source: ${slices.map(({ name, n }) => `${name} ${format.count(n)} (${format.percent(n, total)})`).join(", ")}.`,
    ...noted("traffic_source", values, unknown),
    legend: slices.map((one) => ({
      name: one.name,
      color: one.color,
      value: format.count(one.n),
      share: format.percent(one.n, total),
      pick: pick(one),
    })),
    pick: ({ dataIndex }) => pick(slices[dataIndex]),
    // the table has room for what is one slice in the chart
    table: () => ({
      head: ["Traffic source", "Events", "Share"],
      rows: values.map(({ name, n }) => [name, format.count(n), format.percent(n, total)]),
      foot: ["All", format.count(total), format.percent(total, total)],
      picks: values.map(pick),
    }),
    option: (theme) => rings(total, [ring(theme, "sources", "Events", ["58%", "94%"], slices)]),
  };
}

/**
 * Devices within, their systems around them. `devices` are rows of /api/breakdown?by=device, `systems` those by os of
 * each device: [device, rows]. Reads of figures that grow: a device is never smaller than its systems.
 */
export function systemsView(devices, systems, page) {
  const { values, unknown } = stated(devices, "device");
  const groups = values.map((device) => {
    const parts = stated(systems.find(([one]) => one === device.value)?.[1] ?? [], "os").values;
    const known = add(parts.map(({ n }) => n));
    const n = Math.max(device.n, known);
    if (n > known) parts.push({ name: "Not stated", color: groupColor("os", null), n: n - known });
    return { ...device, n, parts };
  });
  const total = add(groups.map(({ n }) => n));
  const outer = groups.flatMap((device) => device.parts.map((os) => ({ ...os, device })));
  const pickDevice = ({ value }) => page.toggle("device", value);
  const pickSystem = ({ value, device }) =>
    value === undefined ? pickDevice(device) : page.toggleAll({ device: device.value, os: value });
  return {
    label: `Events by device and system: ${groups.map(({ name, n, parts }) => `${name} ${format.count(n)} (${parts.map((os) => `${os.name} ${format.count(os.n)}`).join(", ")})`).join("; ")}.`,
    ...noted("device", values, unknown),
    legend: groups.map((one) => ({
      name: one.name,
      color: one.color,
      value: format.count(one.n),
      share: format.percent(one.n, total),
      pick: pickDevice(one),
    })),
    pick: ({ seriesId, dataIndex }) =>
      seriesId === "devices" ? pickDevice(groups[dataIndex]) : pickSystem(outer[dataIndex]),
    table: () => ({
      head: ["Device", "System", "Events", "Share"],
      rows: outer.map(({ name, n, device }) => [device.name, name, format.count(n), format.percent(n, total)]),
      foot: ["All", "", format.count(total), format.percent(total, total)],
      picks: outer.map(pickSystem),
    }),
    option: (theme) =>
      rings(total, [
        ring(theme, "devices", "Device", ["24%", "58%"], groups),
        ring(theme, "systems", "System", ["60%", "94%"], outer.map((one) => ({ ...one, name: `${one.device.name}, ${one.name}` }))),
      ]),
  };
}

/** Who comes, by one of gender, age_group, membership_level and region. `rows` of /api/breakdown by it. */
export function audienceView(rows, dimension, page) {
  const { values, unknown } = stated(rows, dimension);
  const total = add(values.map(({ n }) => n));
  const users = new Map(rows.map((row) => [row.value, row.users]));
  // ages are read in their order, all else by size
  const ordered =
    dimension === "age_group" ? [...values].sort((a, b) => a.value.localeCompare(b.value, "en", { numeric: true })) : values;
  const bars = ordered.slice(0, BARS);
  const pick = ({ value }) => page.toggle(dimension, value);
  const { note, command } = noted(dimension, values, unknown);
  const more = values.length > bars.length ? `${format.count(values.length - bars.length)} more are in the table.` : "";
  return {
    label: `Events by ${title(dimension).toLowerCase()}: ${bars.map(({ name, n }) => `${name} ${format.count(n)} (${format.percent(n, total)})`).join(", ")}.`,
    note: [note, more].filter(Boolean).join(" "),
    command,
    table: () => ({
      head: [title(dimension), "Events", "Share", "Users"],
      rows: ordered.map(({ value, name, n }) => [name, format.count(n), format.percent(n, total), format.count(users.get(value))]),
      // whoever has had two values is a user of both: their users have no sum
      foot: ["All", format.count(total), format.percent(total, total), ""],
      picks: ordered.map(pick),
    }),
    pick: ({ dataIndex }) => pick(bars[dataIndex]),
    height: Math.max(120, bars.length * 34 + 40),
    option: (theme) => ({
      grid: { id: "grid", left: 4, right: 96, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts" })],
      yAxis: [nameAxis(theme, bars.map(({ name }) => name))],
      tooltip: { trigger: "axis", valueFormatter: (n) => `${format.count(n)}  (${format.percent(n, total)})` },
      series: [
        {
          id: "events",
          type: "bar",
          name: "Events",
          barMaxWidth: 22,
          label: {
            show: true,
            position: "right",
            color: theme.muted,
            fontSize: 12,
            formatter: ({ value }) => `${format.compact(value)} (${format.percent(value, total)})`,
          },
          data: bars.map(({ n, color }) => ({ value: n, itemStyle: { color } })),
        },
      ],
    }),
  };
}

/**
 * A dot a product and day, as high as its orders: the days that stand out are seen, which sums of months hide.
 * `byProduct`: [product, rows of /api/daily of its orders]. Days without orders have no dot, the table has them.
 */
export function scatterView(byProduct, page) {
  const series = byProduct.map(([product, rows]) => ({ product, name: title(product), color: productColor(product), rows }));
  const days = series[0]?.rows.map(({ day }) => day) ?? [];
  const sum = ({ rows }) => add(rows.map(({ order }) => order));
  const total = add(series.map(sum));
  const pick = ({ product }) => page.toggle("product", product);
  return {
    label: `Orders a day by product: ${series.map((one) => `${one.name} ${format.count(sum(one))}`).join(", ")}.`,
    note: total ? "A dot is a product’s orders of one day." : "No orders in this range.",
    legend: series.map((one) => ({ name: one.name, color: one.color, value: format.count(sum(one)), share: format.percent(sum(one), total), pick: pick(one) })),
    pick: ({ seriesId }) => {
      const one = series.find(({ product }) => product === seriesId);
      return one ? pick(one) : null;
    },
    table: () => ({
      head: ["Day", ...series.map(({ name }) => name)],
      rows: days.map((day, i) => [day, ...series.map(({ rows }) => format.count(rows[i]?.order ?? 0))]),
      foot: ["All", ...series.map((one) => format.count(sum(one)))],
    }),
    option: (theme) => ({
      grid: { id: "grid", left: 4, right: 12, top: 12, bottom: 4, outerBoundsMode: "same" },
      xAxis: [{ id: "days", type: "category", data: days, axisLine: { lineStyle: { color: theme.line } }, axisTick: { show: false }, axisLabel: { color: theme.muted, hideOverlap: true } }],
      yAxis: [countAxis(theme, { id: "counts" })],
      tooltip: { trigger: "item", valueFormatter: format.count },
      series: series.map(({ product, name, color, rows }) => ({
        id: product,
        type: "scatter",
        name,
        color,
        symbolSize: days.length > 60 ? 6 : 9,
        itemStyle: { opacity: 0.8 },
        data: rows.flatMap(({ order }, i) => (order ? [{ name: days[i], value: [i, order] }] : [])),
      })),
    }),
  };
}

/**
 * The hours of the week. `rows` {weekday: 1 (Monday) to 7, hour, a count of each event type}, of which some may be
 * missing; `choice` an event type, or "all".
 */
export function heatmapView(rows, choice) {
  const figure = (row) => (choice === "all" ? eventsOf(row) : row[choice]);
  const cells = WEEKDAYS.map(() => Array(24).fill(0));
  for (const row of rows) cells[row.weekday - 1][row.hour] += figure(row);
  const total = add(cells.flat());
  const most = Math.max(...cells.flat());
  const busiest = cells.flat().indexOf(most);
  const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;
  // one hue, by steps that one can tell apart; nothing is no step
  const shade = (n) => (n ? Math.ceil((n / most) * SHADES) / SHADES : 0);
  return {
    label: total
      ? `Hours of the week: ${format.count(total)} in all, most on ${WEEKDAYS[Math.floor(busiest / 24)]} from ${clock(busiest % 24)}, ${format.count(most)}.`
      : "Hours of the week: nothing.",
    note: total ? `The strongest colour is ${format.count(most)}.` : "None of these in this range.",
    table: () => ({
      head: ["Hour", ...WEEKDAYS],
      rows: Array.from({ length: 24 }, (_, hour) => [clock(hour), ...cells.map((day) => format.count(day[hour]))]),
      foot: ["All", ...cells.map((day) => format.count(add(day)))],
    }),
    height: 7 * 30 + 40,
    option: (theme) => ({
      grid: { id: "grid", left: 4, right: 4, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [{ id: "hours", type: "category", data: Array.from({ length: 24 }, (_, hour) => clock(hour)), axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: theme.muted, hideOverlap: true } }],
      yAxis: [nameAxis(theme, WEEKDAYS.map((day) => day.slice(0, 3)), { axisLine: { show: false } })],
      tooltip: { trigger: "item", valueFormatter: format.count },
      series: [
        {
          id: "hours",
          type: "custom",
          name: "Events",
          encode: { x: 0, y: 1, tooltip: 2 },
          renderItem: (_, api) => {
            const [x, y] = api.coord([api.value(0), api.value(1)]);
            const [width, height] = api.size([1, 1]);
            const part = shade(api.value(2));
            return {
              type: "rect",
              shape: { x: x - width / 2 + 1, y: y - height / 2 + 1, width: width - 2, height: height - 2, r: 2 },
              style: { fill: part ? theme.accent : theme.line, opacity: part ? 0.15 + 0.85 * part : 0.35 },
            };
          },
          data: cells.flatMap((day, weekday) =>
            day.map((n, hour) => ({ name: `${WEEKDAYS[weekday]}, ${clock(hour)}`, value: [hour, weekday, n] })),
          ),
        },
      ],
    }),
  };
}
