// What the charts of sales have in common: the figure that they show, in one currency.

import * as format from "./format.js";
import { currencies } from "./money.js";

export const MEASURES = [
  { key: "revenue", name: "Revenue" },
  { key: "orders", name: "Orders" },
  { key: "average", name: "Average order" },
];

/** The choice that an address makes of what there is: {measure, currency}. `amount` is the revenue of the range. */
export function readChoice(search, amount) {
  const query = new URLSearchParams(search);
  const known = currencies(amount);
  // without any revenue there are orders to show
  const wanted = query.get("measure") ?? (known.length ? "revenue" : "orders");
  const measure = MEASURES.find(({ key }) => key === wanted) ?? MEASURES[0];
  return { measure, currency: known.includes(query.get("money")) ? query.get("money") : (known[0] ?? "USD"), known };
}

/** The figure of a row of /api/sales as a number, which is as long as its bar. */
export function figure(row, { measure, currency }) {
  if (measure.key === "orders") return row?.orders ?? 0;
  return Number((measure.key === "average" ? row?.average_order : row?.amount)?.[currency] ?? 0);
}

/** A figure in words. */
export const words = (value, { measure, currency }) =>
  measure.key === "orders" ? format.compact(value) : format.moneyShort(value, currency);

/** An amount in words, the currency that is shown first. */
export function amountWords(amount, currency) {
  const list = currencies(amount).sort((a, b) => (b === currency) - (a === currency));
  return list.map((name) => format.money(amount[name], name)).join(", ") || "–";
}
