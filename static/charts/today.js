// Shows, clicks and orders per product today.

import { countAxis } from "./axes.js";
import * as format from "./format.js";
import { EVENT_TYPES, SHOP_PRODUCTS, title } from "./palette.js";

const TYPES = EVENT_TYPES.slice(0, 3);
const MOST = 8;
const HORIZONTAL_BELOW = 620;

/** The shop's products in their fixed order, then others by their events, the smallest together. */
function groups(rows) {
  const empty = { banner_show: 0, banner_click: 0, order: 0 };
  const busy = (row) => TYPES.reduce((sum, { key }) => sum + row[key], 0);
  const known = SHOP_PRODUCTS.map((value) => rows.find((row) => row.value === value) ?? { value, ...empty });
  const more = rows
    .filter((row) => !SHOP_PRODUCTS.includes(row.value) && busy(row) > 0)
    .sort((a, b) => busy(b) - busy(a));
  const room = MOST - known.length;
  const own = more.length > room ? more.slice(0, room - 1) : more;
  const rest = more.slice(own.length);
  const named = [...known, ...own].map((row) => ({
    ...row,
    name: row.value === null ? "No product" : title(row.value),
  }));
  if (rest.length) {
    const sums = Object.fromEntries(TYPES.map(({ key }) => [key, rest.reduce((sum, row) => sum + row[key], 0)]));
    named.push({ name: `${rest.length} others`, ...sums });
  }
  return named;
}

/** `rows` of /api/breakdown?by=product for today. */
export function todayView(rows, today, page) {
  const products = groups(rows);
  const totals = TYPES.map(({ key }) => products.reduce((sum, row) => sum + row[key], 0));
  const pick = ({ value }) => (value == null ? null : page.toggle("product", value));
  const nothing = totals.every((total) => total === 0);
  return {
    label: `${format.dayLong(today)}: ${TYPES.map(({ what }, i) => `${what.toLowerCase()} ${format.count(totals[i])}`).join(", ")}.`,
    note: nothing
      ? `Nothing yet on ${format.dayLong(today)}. Open the shop and click a banner: the bars grow while you watch.`
      : "",
    legend: TYPES.map(({ name, color }, i) => ({ name, color, value: format.count(totals[i]), pick: page.toggle("event_type", TYPES[i].key) })),
    table: () => ({
      head: ["Product", ...TYPES.map(({ name }) => name)],
      rows: products.map((row) => [row.name, ...TYPES.map(({ key }) => format.count(row[key]))]),
      foot: ["All", ...totals.map(format.count)],
      picks: products.map(pick),
    }),
    pick: ({ dataIndex }) => pick(products[dataIndex]),
    option: (theme, width) => {
      const flat = width < HORIZONTAL_BELOW;
      const names = {
        id: "products",
        type: "category",
        data: products.map((row) => row.name),
        inverse: flat,
        axisLine: { lineStyle: { color: theme.line } },
        axisTick: { show: false },
        axisLabel: {
          color: theme.text,
          fontSize: 13,
          lineHeight: 16,
          interval: 0,
          width: flat ? 92 : Math.floor(width / products.length) - 24,
          overflow: "break",
        },
      };
      const counts = countAxis(theme, {
        id: "counts",
        axisLabel: { show: !flat, color: theme.muted, fontSize: 12, formatter: format.axis },
      });
      return {
        grid: { id: "grid", left: 4, right: flat ? 32 : 4, top: flat ? 4 : 24, bottom: 4, outerBoundsMode: "same" },
        xAxis: [flat ? counts : names],
        yAxis: [flat ? names : counts],
        tooltip: { trigger: "axis", valueFormatter: format.count },
        series: TYPES.map(({ key, name, color }) => ({
          id: key,
          type: "bar",
          name,
          color,
          barMaxWidth: 44,
          barGap: "12%",
          barCategoryGap: flat ? "24%" : "30%",
          itemStyle: { borderRadius: flat ? [0, 3, 3, 0] : [3, 3, 0, 0] },
          label: {
            show: true,
            position: flat ? "right" : "top",
            color: theme.muted,
            fontSize: 12,
            formatter: ({ value }) => (value ? format.compact(value) : ""),
          },
          data: products.map((row) => row[key]),
        })),
      };
    },
  };
}
