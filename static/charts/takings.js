// What orders bring in each second or minute of the last while, zeros included.

import { countAxis, unfinished } from "./axes.js";
import * as format from "./format.js";
import { sum } from "./money.js";
import { COLOR } from "./sales-bars.js";
import { amountWords } from "./sales-figures.js";

/** The last steps of so many milliseconds until now, each {time, orders, amount}; `rows` of /api/windows have no empty ones. */
export function steps(rows, step, length, now) {
  const known = new Map(rows.map((row) => [Date.parse(row.window_start), row]));
  const last = Math.floor(now / step) * step;
  return Array.from({ length }, (_, i) => {
    const time = last - (length - 1 - i) * step;
    const { orders = 0, amount = {} } = known.get(time) ?? {};
    return { time, orders, amount };
  });
}

/** `list` as steps() gives it, `unit` is "second" or "minute". */
export function takingsView(list, unit, { choice, zone, command }) {
  const { measure, currency } = choice;
  const money = measure.key !== "orders";
  const value = ({ orders, amount }) => (money ? Number(amount[currency] ?? 0) : orders);
  const at = ({ time }) => format.clockTime(new Date(time), zone, unit === "second");
  const orders = list.reduce((total, one) => total + one.orders, 0);
  const revenue = sum(list.flatMap(({ amount }) => amount[currency] ?? []));
  const most = list.reduce((best, one) => (value(one) > value(best) ? one : best));
  const figures = (one) => (money ? format.moneyShort(String(value(one)), currency) : format.count(value(one)));
  return {
    label: `${money ? "Revenue" : "Orders"} a ${unit} of the last ${list.length} ${unit}s: ${format.count(orders)} orders, ${format.money(revenue, currency)}, ${figures(most)} at the most.`,
    note: orders ? "" : `No order in the last ${list.length} ${unit}s. To see some:`,
    command: orders ? null : command,
    legend: [
      { color: COLOR, name: `Last ${list.length} ${unit}s`, value: format.moneyShort(revenue, currency), share: `${format.count(orders)} orders` },
      { name: `Most in a ${unit}`, value: figures(most) },
    ],
    table: () => ({
      head: [unit === "second" ? "Second" : "Minute", "Orders", "Revenue"],
      rows: list.toReversed().map((one) => [at(one), format.count(one.orders), amountWords(one.amount, currency)]),
    }),
    option: (theme) => ({
      // a bar a second to the left is another bar, not one that moves
      animation: false,
      grid: { id: "grid", left: 4, right: 4, top: 8, bottom: 4, outerBoundsMode: "same" },
      xAxis: [
        {
          id: "steps",
          type: "category",
          data: list.map(at),
          axisLine: { lineStyle: { color: theme.line } },
          axisTick: { show: false },
          axisLabel: { color: theme.muted, fontSize: 12, interval: Math.ceil(list.length / 4) - 1 },
        },
      ],
      yAxis: [countAxis(theme, { id: "figures", splitNumber: 2 })],
      tooltip: {
        trigger: "axis",
        formatter: ([{ dataIndex }]) =>
          `${at(list[dataIndex])}\nRevenue  ${amountWords(list[dataIndex].amount, currency)}\nOrders  ${format.count(list[dataIndex].orders)}`,
      },
      series: [
        {
          id: "takings",
          type: "bar",
          name: money ? "Revenue" : "Orders",
          color: COLOR,
          barCategoryGap: "12%",
          data: list.map((one, i) => (i === list.length - 1 ? { value: value(one), itemStyle: unfinished(COLOR) } : value(one))),
        },
      ],
    }),
  };
}
