// Orders by the values of a dimension, as bars from the largest to the smallest.

import { END } from "./axes.js";
import * as format from "./format.js";
import { sum } from "./money.js";
import { nothing } from "./nothing.js";
import { eventType, GREY, groupColor, groupName, productColor } from "./palette.js";
import { amountWords, figure, words } from "./sales-figures.js";

const MOST = 10;
const ROW = 30;
export const COLOR = eventType("order").color;
export const FAILED = "#c43a0c";

/**
 * `rows` of /api/sales?by=…, and `before` those of the period of comparison, or null. `asked` is {by, what, choice, page}
 * with `what` one value in words, `command` what makes events that have one, `most` how many bars there are beside the others, and `cut` whether there are more rows than these.
 */
export function barsView(rows, before, { by, what, choice, page, command, most = MOST, cut = false }) {
  if (rows.every(({ value }) => value === null)) {
    const why = rows.length ? `No order of these tells its ${what.toLowerCase()}.` : "There are no orders here.";
    return nothing(`${why} To see some:`, command);
  }
  const sorted = rows.toSorted((a, b) => figure(b, choice) - figure(a, choice));
  // what is not stated would dwarf the rest, and what has other currencies only has no length in this one
  const unstated = sorted.find(({ value }) => value === null);
  const stated = sorted.filter((row) => row !== unstated && figure(row, choice) > 0);
  const all = stated.reduce((total, row) => total + figure(row, choice), 0);
  const versus = before ? page.versus() : "";
  const notes = [
    before && `Changes ${versus}.`,
    stated.length ? null : `None of these brought in any ${choice.currency}.`,
    unstated && `Not stated: ${format.count(unstated.orders)} orders, ${amountWords(unstated.amount, choice.currency)}.`,
  ];
  const bars = stated.slice(0, stated.length > most + 1 ? most : most + 1).map((row) => ({
    row,
    name: by === "user_id" ? format.shortId(row.value) : groupName(by, row.value),
    color: by === "product" ? productColor(row.value) : COLOR,
    pick: page.toggle(by, row.value),
  }));
  const rest = stated.slice(bars.length);
  // others have no average that is comparable
  if (rest.length && !cut && choice.measure.key !== "average") bars.push(others(rest));
  for (const bar of bars) bar.value = figure(bar.row, choice);
  const share = (row) =>
    cut || choice.measure.key === "average" ? "" : format.percent(figure(row, choice), all);
  const was = new Map((before ?? []).map((row) => [row.value, row]));
  const change = (row) => format.change(figure(row, choice), figure(was.get(row.value), choice));
  const tip = ({ name, row }) =>
    [
      row.value === undefined ? name : groupName(by, row.value),
      `Revenue  ${amountWords(row.amount, choice.currency)}`,
      `Orders  ${format.count(row.orders)}`,
      row.average_order && `Average order  ${amountWords(row.average_order, choice.currency)}`,
      row.users !== undefined && `Customers  ${format.count(row.users)}`,
      before && row.value !== undefined && `${choice.measure.name}  ${change(row)} ${versus}`,
    ]
      .filter(Boolean)
      .join("\n");
  // others are others in another period
  const beside = (row) => (!before ? share(row) : row.value === undefined ? "" : change(row));
  const label = ({ row }) => [words(figure(row, choice), choice), beside(row)].filter(Boolean).join(" · ");
  return {
    label: `${choice.measure.name} by ${what.toLowerCase()}: ${bars.map((bar) => `${bar.name} ${label(bar)}`).join(", ")}.`,
    note: notes.filter(Boolean).join(" "),
    ...drawn(bars, { id: by, name: choice.measure.name, label: (i) => label(bars[i]), tip: (i) => tip(bars[i]) }),
    table: () => ({
      head: [what, "Orders", "Revenue", "Average order", "Customers", "Failed", ...(before ? [`${choice.measure.name} ${versus}`] : [])],
      rows: sorted.map((row) => [
        groupName(by, row.value),
        format.count(row.orders),
        amountWords(row.amount, choice.currency),
        amountWords(row.average_order, choice.currency),
        format.count(row.users),
        format.count(row.failed),
        ...(before ? [change(row)] : []),
      ]),
      picks: sorted.map(({ value }) => (value === null ? null : page.toggle(by, value))),
    }),
  };
}

/** All others together: customers of several of them are not told, for they do not add up. */
function others(rows) {
  const amount = {};
  for (const currency of new Set(rows.flatMap((row) => Object.keys(row.amount)))) {
    amount[currency] = sum(rows.flatMap((row) => row.amount[currency] ?? []));
  }
  const orders = rows.reduce((total, row) => total + row.orders, 0);
  return { name: `${format.count(rows.length)} others`, color: GREY, pick: null, row: { orders, amount } };
}

/** Bars {name, color, value, pick?} to the right, the first on top; `label` and `tip` give the words of the bar at an index. */
function drawn(bars, { id, name, label, tip }) {
  return {
    height: bars.length * ROW + 8,
    pick: ({ dataIndex }) => bars[dataIndex].pick ?? null,
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 112, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [{ id: "figures", type: "value", min: 0, show: false }],
      yAxis: [
        {
          id: "names",
          type: "category",
          inverse: true,
          data: bars.map((bar) => bar.name),
          axisLine: { lineStyle: { color: theme.line } },
          axisTick: { show: false },
          axisLabel: { color: theme.text, fontSize: 13, width: Math.min(220, Math.round(width * 0.36)), overflow: "truncate", ellipsis: "…" },
        },
      ],
      tooltip: { trigger: "axis", formatter: ([{ dataIndex }]) => tip(dataIndex) },
      series: [
        {
          id,
          type: "bar",
          name,
          barMaxWidth: 18,
          itemStyle: { borderRadius: END },
          label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ dataIndex }) => label(dataIndex) },
          data: bars.map(({ value, color }) => ({ value, itemStyle: { color } })),
        },
      ],
    }),
  };
}

/** Orders that failed, by their status; never revenue. `rows` of /api/sales?by=status. */
export function failedView(rows, { choice, page, command }) {
  const list = rows.filter(({ failed }) => failed > 0).toSorted((a, b) => b.failed - a.failed);
  const orders = rows.reduce((total, row) => total + row.orders, 0);
  if (!list.length) {
    const known = rows.some(({ value }) => value !== null);
    return known
      ? nothing(`None of ${format.count(orders)} orders failed.`)
      : nothing("No order of these tells what became of it. To see some:", command);
  }
  const failed = list.reduce((total, row) => total + row.failed, 0);
  const bars = list.map((row) => ({
    row,
    name: groupName("status", row.value),
    color: FAILED,
    value: row.failed,
    pick: page.toggle("status", row.value),
  }));
  const label = ({ failed: n }) => `${format.compact(n)} · ${format.percent(n, orders)}`;
  return {
    label: `Failed orders by status: ${bars.map(({ name, row }) => `${name} ${label(row)}`).join(", ")}.`,
    note: `${format.count(failed)} of ${format.count(orders)} orders failed (${format.percent(failed, orders)}); what they asked for is no revenue.`,
    ...drawn(bars, {
      id: "failed",
      name: "Failed",
      label: (i) => label(list[i]),
      tip: (i) => `${bars[i].name}\nFailed  ${label(list[i])}\nNot paid  ${amountWords(list[i].lost, choice.currency)}`,
    }),
    table: () => ({
      head: ["Status", "Failed", "Of all orders", "Not paid"],
      rows: bars.map(({ name, row }) => [
        name,
        format.count(row.failed),
        format.percent(row.failed, orders),
        amountWords(row.lost, choice.currency),
      ]),
      picks: bars.map(({ pick }) => pick),
    }),
  };
}

/** What a piece of each product costs on average, and how that has changed since `before`, rows of an earlier period. */
export function pricesView(rows, before, { choice, page, versus, command }) {
  const price = (row) => row?.average_price[choice.currency];
  const list = rows.filter((row) => row.value !== null && price(row)).toSorted((a, b) => Number(price(b)) - Number(price(a)));
  if (!list.length) return nothing("No order of these tells a price. To see some:", command);
  const was = new Map(before.map((row) => [row.value, row]));
  const bars = list.slice(0, 2 * MOST).map((row) => ({
    row,
    name: groupName("product", row.value),
    color: productColor(row.value),
    value: Number(price(row)),
    pick: page.toggle("product", row.value),
  }));
  const change = (row) => format.change(Number(price(row)), Number(price(was.get(row.value)) ?? 0));
  const label = (row) =>
    format.moneyShort(price(row), choice.currency) + (price(was.get(row.value)) ? ` · ${change(row)}` : "");
  return {
    label: `Average price of a piece: ${bars.map(({ name, row }) => `${name} ${label(row)}`).join(", ")}.`,
    note: `Of orders that did not fail. Changes ${versus}.`,
    ...drawn(bars, {
      id: "prices",
      name: "Average price",
      label: (i) => label(bars[i].row),
      tip: (i) => `${bars[i].name}\n${label(bars[i].row)} ${versus}`,
    }),
    table: () => ({
      head: ["Product", "Average price", "Before", `Change ${versus}`],
      rows: bars.map(({ name, row }) => {
        const earlier = price(was.get(row.value));
        return [
          name,
          format.money(price(row), choice.currency),
          earlier ? format.money(earlier, choice.currency) : "–",
          change(row),
        ];
      }),
      picks: bars.map(({ pick }) => pick),
    }),
  };
}
