import assert from "node:assert/strict";
import { test } from "node:test";
import { toggled } from "./state.js";
import { barsView, failedView, pricesView } from "./sales-bars.js";
import { readChoice } from "./sales-figures.js";
import { byState, mapView } from "./sales-map.js";
import { STATES, stateOf } from "./states.js";
import { steps, takingsView } from "./takings.js";
import * as us from "./us.js";

const filters = {};
const page = { state: { filters }, toggle: (by, value) => toggled(filters, by, value), versus: () => "vs May" };
const row = (value, orders, amount = {}, more = {}) => ({
  value,
  orders,
  users: 1,
  sold: orders,
  failed: 0,
  units: null,
  amount,
  lost: {},
  average_order: {},
  average_price: {},
  ...more,
});
const revenue = readChoice("", { USD: "5.00" });
const theme = { accent: "rgb(1, 2, 3)", line: "#ccc", card: "#fff", text: "#000", muted: "#555" };
const seen = (view) => view.option(theme, 600).series[0].data.map(({ value }) => value);

test("the choice is what the address says, of what there is", () => {
  const two = { USD: "5", EUR: "7" };
  const { measure, currency, known } = readChoice("", two);
  assert.deepEqual([measure.key, currency, known], ["revenue", "EUR", ["EUR", "USD"]]);
  assert.equal(readChoice("?money=USD&measure=average", two).currency, "USD");
  assert.equal(readChoice("?money=PLN&measure=nothing", two).currency, "EUR");
  assert.equal(readChoice("", {}).measure.key, "orders");
});

test("bars are in the order of their figure, with the rest as others and exact sums of money", () => {
  const rows = Array.from({ length: 13 }, (_, i) => row(`b${i}`, 13 - i, { USD: `${i}.10` }));
  const view = barsView(rows, null, { by: "brand", what: "Brand", choice: revenue, page, command: "c" });
  assert.equal(seen(view).length, 11);
  assert.deepEqual(seen(view).slice(0, 2), [12.1, 11.1]);
  assert.equal(seen(view)[10], 3.3);
  assert.match(view.label, /3 others \$3.30/);
  assert.deepEqual(view.pick({ dataIndex: 0 }), { brand: "b12" });
  assert.equal(view.pick({ dataIndex: 10 }), null);
  assert.equal(view.table().rows.length, 13);
  const cut = barsView(rows, null, { by: "user_id", what: "Customer", choice: revenue, page, cut: true });
  assert.equal(seen(cut).length, 10);
  const average = readChoice("?measure=average", { USD: "1" });
  for (const one of rows) one.average_order = one.amount;
  assert.equal(seen(barsView(rows, null, { by: "brand", what: "Brand", choice: average, page })).length, 10);
});

test("a comparison tells the change of each bar", () => {
  const asked = { by: "brand", what: "Brand", choice: revenue, page };
  const view = barsView([row("b", 2, { USD: "15" }), row("new", 1, { USD: "5" })], [row("b", 1, { USD: "10" })], asked);
  assert.deepEqual(view.table().head.at(-1), "Revenue vs May");
  assert.deepEqual(view.table().rows.map((cells) => cells.at(-1)), ["+50%", "–"]);
});

test("what no order tells says which command makes some that do", () => {
  const asked = { by: "brand", what: "Brand", choice: revenue, page, command: "shopwindow simulate" };
  for (const rows of [[], [row(null, 3)]]) {
    const view = barsView(rows, null, asked);
    assert.equal(view.command, "shopwindow simulate");
    assert.ok(view.empty);
  }
});

test("failed orders are shown apart, with what was not paid", () => {
  const rows = [row("COMPLETED", 8), row("FRAUD", 2, {}, { sold: 0, failed: 2, lost: { USD: "30" } })];
  const view = failedView(rows, { choice: revenue, page });
  assert.deepEqual(seen(view), [2]);
  assert.match(view.note, /^2 of 10 orders failed \(20%\)/);
  assert.deepEqual(view.table().rows, [["FRAUD", "2", "20%", "$30.00"]]);
  assert.equal(failedView([row("COMPLETED", 8)], { choice: revenue, page }).note, "None of 8 orders failed.");
});

test("the price of a piece is told with its change", () => {
  const price = (value, average_price) => row(value, 1, {}, { average_price: { USD: average_price } });
  const asked = { choice: revenue, page, versus: "vs May" };
  const view = pricesView([price("Tablet", "110.00"), price("Laptop", "900.00")], [price("Tablet", "100.00")], asked);
  assert.deepEqual(view.table().rows, [
    ["Laptop", "$900.00", "–", "–"],
    ["Tablet", "$110.00", "$100.00", "+10%"],
  ]);
});

test("a state is known by its name and its code", () => {
  assert.equal(stateOf("ohio "), "Ohio");
  assert.equal(stateOf("US-OH"), "Ohio");
  assert.equal(stateOf("Mazovia"), null);
  assert.equal(stateOf(null), null);
  assert.equal(stateOf("WY"), "Wyoming");
});

test("the map has every state, and what lies on it", () => {
  assert.deepEqual(us.states.map(({ name }) => name).sort(), STATES.toSorted());
  const [x, y] = us.project(-98.5, 39.8);
  assert.ok(x > 400 && x < 550 && y > 200 && y < 350, "the middle is in the middle");
  assert.equal(us.project(21, 52), null);
});

test("a state that is written twice is one, and states without orders are there", () => {
  const rows = [row("Ohio", 2, { USD: "5.10" }), row("OH", 1, { USD: "0.20" }), row("Mazovia", 4), row(null, 3)];
  const { states, elsewhere, unknown } = byState(rows);
  assert.deepEqual([states.get("Ohio").orders, states.get("Ohio").amount.USD, elsewhere, unknown], [3, "5.30", 4, 3]);
  const place = { city: "Kent", state: "Ohio", country: "USA", latitude: 41.2, longitude: -81.4, orders: 2, amount: {} };
  const away = { ...place, city: "Warsaw", latitude: 52.2, longitude: 21 };
  const view = mapView(rows, [place, away], us, { choice: revenue, page });
  const [drawn, points] = view.option(theme, 600).series;
  assert.deepEqual([drawn.data.length, points.data.length], [51, 1]);
  assert.equal(view.note, "3 orders tell no state, 4 are from states elsewhere.");
  const at = us.states.findIndex(({ name }) => name === "Ohio");
  assert.deepEqual(view.pick({ seriesId: "states", dataIndex: at }), { state: ["Ohio", "OH"] });
  assert.deepEqual(view.pick({ seriesId: "cities", dataIndex: 0 }), { city: "Kent" });
  assert.equal(view.pick({ seriesId: "states", dataIndex: (at + 1) % 51 }), null);
  assert.equal(view.table().rows.length, 53);
});

test("steps without orders are zeros, up to now", () => {
  const now = Date.parse("2026-03-01T10:00:05.500Z");
  const rows = [{ window_start: "2026-03-01T10:00:03Z", orders: 2, amount: { USD: "7.50" } }];
  const list = steps(rows, 1000, 5, now);
  assert.deepEqual(list.map(({ orders }) => orders), [0, 0, 2, 0, 0]);
  const asked = { choice: revenue, zone: "UTC", command: "c" };
  const view = takingsView(list, "second", asked);
  assert.match(view.label, /2 orders, \$7.50/);
  assert.deepEqual(view.table().rows[2], ["10:00:03", "2", "$7.50"]);
  assert.equal(takingsView(steps([], 1000, 5, now), "second", asked).command, "c");
});
