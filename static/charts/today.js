// Shows, clicks and orders per product today.

import { countAxis } from "./axes.js";
import * as format from "./format.js";
import { EVENT_TYPES, SHOP_PRODUCTS, title } from "./palette.js";

const TYPES = EVENT_TYPES.slice(0, 3);
const MOST = 8;
const HORIZONTAL_BELOW = 620;
const BARS = (flat) => ({ barMaxWidth: 44, barGap: "12%", barCategoryGap: flat ? "24%" : "30%" });

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

/** A line from the least to the most beside a bar, with a mark at the median. */
function whisker(at, { low, middle, high }, flat, stroke) {
  const line = (from, to) => {
    const [[x1, y1], [x2, y2]] = flat ? [from, to].map(([along, across]) => [across, along]) : [from, to];
    return { type: "line", shape: { x1, y1, x2, y2 }, style: { stroke, lineWidth: 1.5 } };
  };
  const mark = (value, half) => line([at - half, value], [at + half, value]);
  return [line([at, low], [at, high]), mark(low, 3), mark(high, 3), mark(middle, 6)];
}

/** `rows` of /api/breakdown?by=product for today; `usual` as bands() of usual.js gives it, or null. */
export function todayView(rows, today, page, usual = null) {
  const products = groups(rows);
  const totals = TYPES.map(({ key }) => products.reduce((sum, row) => sum + row[key], 0));
  const pick = ({ value }) => (value == null ? null : page.toggle("product", value));
  const nothing = totals.every((total) => total === 0);
  // the others are other products each day
  const bandOf = ({ value }, key) => (usual && value !== undefined ? usual.of(value, key) : null);
  const inWords = ({ low, high }) => (low === high ? format.count(low) : `${format.count(low)} – ${format.count(high)}`);
  const inFull = (band) => (band.low === band.high ? inWords(band) : `${inWords(band)}, median ${format.count(band.middle)}`);
  const weekday = format.weekday(today);
  const band = usual ? `Thin lines: the least to the most that the last ${usual.days} ${weekday}s had until ${usual.until}, marked at the median.` : "";
  return {
    label: `${format.dayLong(today)}: ${TYPES.map(({ what }, i) => `${what.toLowerCase()} ${format.count(totals[i])}`).join(", ")}.`,
    note: nothing
      ? `Nothing yet on ${format.dayLong(today)}. Open the shop and click a banner: the bars grow while you watch.`
      : band,
    legend: TYPES.map(({ name, color }, i) => ({ name, color, value: format.count(totals[i]), pick: page.toggle("event_type", TYPES[i].key) })),
    table: () => ({
      head: [
        "Product",
        ...TYPES.map(({ name }) => name),
        ...(usual ? TYPES.map(({ name }) => `${name}, ${weekday}s until ${usual.until}`) : []),
      ],
      rows: products.map((row) => [
        row.name,
        ...TYPES.map(({ key }) => format.count(row[key])),
        ...(usual ? TYPES.map(({ key }) => (bandOf(row, key) ? inFull(bandOf(row, key)) : "–")) : []),
      ]),
      foot: ["All", ...totals.map(format.count), ...(usual ? TYPES.map(() => "–") : [])],
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
        grid: { id: "grid", left: 4, right: flat ? 48 : 4, top: flat ? 4 : 24, bottom: 4, outerBoundsMode: "same" },
        xAxis: [flat ? counts : names],
        yAxis: [flat ? names : counts],
        tooltip: { trigger: "axis", valueFormatter: format.count },
        series: [
          ...TYPES.map(({ key, name, color }) => ({
            id: key,
            type: "bar",
            name,
            color,
            ...BARS(flat),
            itemStyle: { borderRadius: flat ? [0, 3, 3, 0] : [3, 3, 0, 0] },
            label: {
              show: true,
              position: flat ? "right" : "top",
              color: theme.muted,
              fontSize: 12,
              formatter: ({ value }) => (value ? format.compact(value) : ""),
            },
            data: products.map((row) => row[key]),
            tooltip: {
              valueFormatter: (value, i) => {
                const band = bandOf(products[i], key);
                return band ? `${format.count(value)} (usually ${inWords(band)})` : format.count(value);
              },
            },
          })),
          ...(usual
            ? [
                {
                  id: "usual",
                  type: "custom",
                  silent: true,
                  z: 3,
                  tooltip: { show: false },
                  encode: flat ? { x: 1, y: 0 } : { x: 0, y: 1 },
                  // as high as the highest line, for the axis
                  data: products.map((row, i) => [i, Math.max(0, ...TYPES.map(({ key }) => bandOf(row, key)?.high ?? 0))]),
                  renderItem: ({ dataIndex: i }, api) => {
                    const layout = api.barLayout({ count: TYPES.length, ...BARS(flat) });
                    const along = (value) => (flat ? api.coord([value, i])[0] : api.coord([i, value])[1]);
                    const middle = flat ? api.coord([0, i])[1] : api.coord([i, 0])[0];
                    const children = TYPES.flatMap(({ key }, n) => {
                      const band = bandOf(products[i], key);
                      // a flat band at zero is no news
                      if (!band?.high) return [];
                      const place = Object.fromEntries(Object.entries(band).map(([name, value]) => [name, along(value)]));
                      return whisker(middle + layout[n].offsetCenter, place, flat, theme.text);
                    });
                    return { type: "group", children };
                  },
                },
              ]
            : []),
        ],
      };
    },
  };
}
