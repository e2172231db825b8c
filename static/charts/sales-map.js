// Orders by state, as the colour of the states of the United States, and by city, as points on them.

import * as format from "./format.js";
import { currencies, sum } from "./money.js";
import { nothing } from "./nothing.js";
import { amountWords, figure, words } from "./sales-figures.js";
import { stateOf } from "./states.js";

export const POINT = "#b06a00";
export const POINT_OPACITY = 0.85;

/**
 * Rows of /api/sales?by=state by the name of the state, with the values that mean it: "Ohio" and "OH" are one. `elsewhere`
 * counts orders of values that mean none, `unknown` those without a state.
 */
export function byState(rows) {
  const states = new Map();
  const left = { elsewhere: 0, unknown: 0 };
  for (const row of rows) {
    const name = stateOf(row.value);
    if (!name) {
      left[row.value === null ? "unknown" : "elsewhere"] += row.orders;
      continue;
    }
    const known = states.get(name);
    states.set(name, known ? both(known, row) : { ...row, values: [row.value] });
  }
  return { states, ...left };
}

/** Two rows of one state. Averages are made anew; users of both may be the same, so that they are not told. */
function both(a, b) {
  const amount = {};
  const sold = a.sold + b.sold;
  for (const currency of currencies({ ...a.amount, ...b.amount })) {
    amount[currency] = sum([a.amount[currency], b.amount[currency]].filter(Boolean));
  }
  const [only] = Object.keys(amount);
  const average_order =
    Object.keys(amount).length === 1 && sold ? { [only]: (Number(amount[only]) / sold).toFixed(2) } : {};
  return { ...a, values: [...a.values, b.value], orders: a.orders + b.orders, sold, amount, average_order, users: undefined };
}

/** `rows` of /api/sales?by=state, `places` of /api/places, `us` the module us.js. */
export function mapView(rows, places, us, { choice, page, command }) {
  const { states, elsewhere, unknown } = byState(rows);
  const points = places
    .filter(({ latitude, longitude }) => latitude !== null && longitude !== null)
    .map((place) => ({ place, at: us.project(place.longitude, place.latitude) }))
    .filter(({ at }) => at);
  if (!states.size && !points.length) return nothing("No order of these tells a state or a place of the United States. To see some:", command);
  const list = us.states.map(({ name, path }) => ({ name, path, row: states.get(name), value: figure(states.get(name), choice) }));
  const known = list.filter(({ row }) => row).toSorted((a, b) => b.value - a.value);
  const most = known[0];
  const least = known.at(-1);
  // averages are near each other: their colours go from the least to the most, all others from nothing
  const floor = choice.measure.key === "average" && known.length > 1 ? least.value : 0;
  const strength = (value) => 0.15 + (0.85 * (value - floor)) / (most.value - floor || 1);
  const pickState = ({ row }) => {
    if (!row) return null;
    if (row.values.length === 1) return page.toggle("state", row.values[0]);
    const now = page.state.filters.state ?? [];
    return { state: now.join("\n") === row.values.join("\n") ? null : row.values };
  };
  const pickCity = ({ place }) => page.toggle("city", place.city);
  const biggest = Math.max(...points.map(({ place }) => place.orders));
  const lines = (name, row) =>
    [
      name,
      `Revenue  ${amountWords(row.amount, choice.currency)}`,
      `Orders  ${format.count(row.orders)}`,
      row.average_order && `Average order  ${amountWords(row.average_order, choice.currency)}`,
    ]
      .filter(Boolean)
      .join("\n");
  const beside = [
    unknown && `${format.count(unknown)} orders tell no state`,
    elsewhere && `${format.count(elsewhere)} are from states elsewhere`,
  ].filter(Boolean);
  return {
    label: `${choice.measure.name} by state: ${known.map(({ name, value }) => `${name} ${words(value, choice)}`).join(", ") || "none"}. ${points.length} places.`,
    note: beside.length ? `${beside.join(", ")}.` : "",
    legend: [
      ...(known.length ? [{ color: shade(strength(most.value)), name: most.name, value: words(most.value, choice), pick: pickState(most) }] : []),
      ...(known.length > 1 ? [{ color: shade(strength(least.value)), name: least.name, value: words(least.value, choice), pick: pickState(least) }] : []),
      { color: "var(--line)", name: "no orders" },
      ...(points.length ? [{ color: POINT, name: "places, as large as their orders" }] : []),
    ],
    pick: ({ seriesId, dataIndex }) => (seriesId === "states" ? pickState(list[dataIndex]) : pickCity(points[dataIndex])),
    table: () => ({
      head: ["State or city", "Orders", "Revenue", "Average order"],
      rows: [
        ...list
          .toSorted((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1))
          .map(({ name, row }) => [
            name,
            format.count(row?.orders ?? 0),
            row ? amountWords(row.amount, choice.currency) : "–",
            row ? amountWords(row.average_order, choice.currency) : "–",
          ]),
        ...places.map((place) => [placeName(place), format.count(place.orders), amountWords(place.amount, choice.currency), "–"]),
      ],
      picks: [
        ...list.toSorted((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1)).map(pickState),
        ...places.map((place) => pickCity({ place })),
      ],
    }),
    option: (theme, width) => {
      const [r, g, b] = theme.accent.match(/[\d.]+/g);
      return {
        animation: false,
        grid: { id: "grid", left: 0, right: 0, top: 0, bottom: 0 },
        xAxis: [{ id: "x", type: "value", min: 0, max: us.WIDTH, show: false }],
        yAxis: [{ id: "y", type: "value", min: 0, max: us.HEIGHT, inverse: true, show: false }],
        tooltip: {
          trigger: "item",
          formatter: ({ seriesId, dataIndex }) => {
            if (seriesId === "cities") return lines(placeName(points[dataIndex].place), points[dataIndex].place);
            const { name, row } = list[dataIndex];
            return row ? lines(name, row) : `${name}\nno orders`;
          },
        },
        series: [
          {
            id: "states",
            type: "custom",
            name: "States",
            data: list.map((_, i) => [0, 0, i]),
            renderItem: ({ dataIndex }, api) => {
              const [[x, y], [right, bottom]] = [api.coord([0, 0]), api.coord([us.WIDTH, us.HEIGHT])];
              const { path, row, value } = list[dataIndex];
              return {
                type: "path",
                shape: { pathData: path },
                x,
                y,
                scaleX: (right - x) / us.WIDTH,
                scaleY: (bottom - y) / us.HEIGHT,
                style: {
                  fill: row ? `rgba(${r}, ${g}, ${b}, ${strength(value)})` : theme.line,
                  stroke: theme.card,
                  lineWidth: 1,
                  strokeNoScale: true,
                },
                emphasis: { style: { stroke: theme.text, lineWidth: 2 } },
              };
            },
          },
          {
            id: "cities",
            type: "custom",
            name: "Places",
            data: points.map(({ at }) => at),
            renderItem: ({ dataIndex }, api) => {
              const { at, place } = points[dataIndex];
              const [cx, cy] = api.coord(at);
              return {
                type: "circle",
                shape: { cx, cy, r: 3 + 11 * Math.sqrt(place.orders / biggest) * Math.min(1, width / 600) },
                style: { fill: POINT, opacity: POINT_OPACITY, stroke: theme.card, lineWidth: 1.5 },
              };
            },
          },
        ],
      };
    },
  };
}

const shade = (strength) => `color-mix(in srgb, var(--accent) ${Math.round(100 * strength)}%, transparent)`;

const placeName = ({ city, state, country }) =>
  [city, state, country].filter(Boolean).join(", ").replace(/[{}|\n]/g, " ");
