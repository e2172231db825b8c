import assert from "node:assert/strict";
import test from "node:test";
import { audienceView, devicesView, heatmapView, scatterView, sourcesView } from "./trends-views.js";

const page = { toggle: (dimension, value) => ({ [dimension]: value }), toggleAll: (values) => values };
const row = (value, order, users = 1) => ({
  value, banner_show: 0, banner_click: 0, page_view: 0, product_view: 0, cart: 0, cart_remove: 0, order, users,
});

test("the heatmap has an hour of the week a cell, zeros too", () => {
  const { head, rows } = heatmapView([{ ...row(null, 7), weekday: 7, hour: 23 }], "UTC").table();
  assert.equal(head.length, 8);
  assert.equal(rows.length, 24);
  assert.equal(rows[23][7], "7");
  assert.equal(rows[0][1], "0");
});

test("devices have their systems beneath, and both filter", () => {
  const { rows, picks } = devicesView([row("Mobile", 5), row(null, 9)], [["Mobile", [row("iOS", 3)]]], page).table();
  assert.deepEqual(rows.map((cells) => cells[2]), ["5", "3"]);
  assert.deepEqual(picks, [{ device: "Mobile" }, { device: "Mobile", os: "iOS" }]);
});

test("more sources than a few are others, whose share is said", () => {
  const many = Array.from({ length: 8 }, (_, i) => row(`source ${i}`, 10));
  const { rows } = sourcesView(many, page).table();
  assert.equal(rows.length, 6);
  assert.deepEqual(rows[5].slice(0, 2), ["Others", "30"]);
});

test("where nothing tells, a command says how to make some", () => {
  for (const view of [devicesView([row(null, 9)], [], page), sourcesView([], page), audienceView({ by: "gender", rows: [] }, page)]) {
    assert.match(view.command, /simulate/);
  }
});

test("the scatter has the days with orders of each product", () => {
  const days = [{ day: "2019-01-01", order: 4 }, { day: "2019-01-02", order: 0 }, { day: "2019-01-03", order: 8 }];
  const { head, rows } = scatterView([["clothes", days]], page).table();
  assert.deepEqual(head, ["Day", "Clothes"]);
  assert.deepEqual(rows.map(([, orders]) => orders), ["4", "8"]);
});

test("the scatter has no place for years without orders, and says so", () => {
  const days = ["2019-01-01", "2019-01-02", "2026-11-26"].map((day) => ({ day, order: 2 }));
  const { note, option } = scatterView([["clothes", days]], page);
  const { xAxis, series } = option({}, 600);
  assert.deepEqual(xAxis[0].data, ["2019-01-01", "2019-01-02", "2019-01-03", "2026-11-26"]);
  assert.deepEqual(series[0].data.map(([day]) => day), days.map(({ day }) => day));
  assert.match(note, /Left out.*2026/);
});

test("what users told is shown as they told it, and is no filter; what events say is one", () => {
  const told = audienceView({ by: "region", rows: [{ value: "Oslo", users: 3, events: 12 }], told: true }, page);
  assert.deepEqual(told.table(), { head: ["Region", "Users", "Events"], rows: [["Oslo", "3", "12"]], picks: [null] });
  assert.match(told.note, /filters nothing/);
  const said = audienceView({ by: "gender", rows: [row("female", 1, 2), row(null, 9)] }, page);
  assert.deepEqual(said.table().rows.map((cells) => cells.slice(1)), [["2", "1", "1"]]);
  assert.deepEqual(said.table().picks, [{ gender: "female" }]);
  assert.doesNotMatch(said.note, /filters/);
  const cursorOf = (view) => view.option({}, 600).series[0].cursor;
  assert.deepEqual([cursorOf(told), cursorOf(said)], ["default", "pointer"]);
});
