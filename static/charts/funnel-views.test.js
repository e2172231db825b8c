import assert from "node:assert/strict";
import test from "node:test";
import { byView, lostView, stagesView } from "./funnel-views.js";

const page = { state: { filters: {} }, versus: () => "vs then", toggle: (dimension, value) => ({ [dimension]: value }) };
const row = (stage, events, users, left, rate, value) => ({ value, stage, events, users, left, rate });
const desktop = [
  row("view", 100, 50, 40, null, "desktop"),
  row("click", 20, 10, 4, 0.2, "desktop"),
  row("cart", 0, 0, 0, 0, "desktop"),
  row("order", 23, 8, 8, 1.15, "desktop"),
];

test("carts are no stage of a shop that has none, and each stage has its rate", () => {
  const { head, rows, picks } = stagesView(desktop, null, page).table();
  assert.deepEqual(head, ["Stage", "Events", "Users", "Of the stage before", "Came no further"]);
  assert.deepEqual(rows, [
    ["Views", "100", "50", "–", "40"],
    ["Clicks", "20", "10", "20%", "4"],
    ["Orders", "23", "8", "115%", "8"],
  ]);
  assert.deepEqual(picks[0], { event_type: ["banner_show", "page_view", "product_view"] });
});

test("a stage is compared with what it was", () => {
  const before = desktop.map((one) => ({ ...one, events: one.events / 2 }));
  const { head, rows } = stagesView(desktop, before, page).table();
  assert.deepEqual(head.slice(3, 5), ["Events vs then", "Change"]);
  assert.deepEqual(rows[1].slice(3, 5), ["10", "+100%"]);
});

test("where more is ordered than clicked, it is said", () => {
  const { note, table } = byView(desktop, "site_version", page);
  assert.match(note, /add up to more than all users\. More is ordered than clicked: Desktop 115%/);
  assert.deepEqual(table().rows, [["Desktop", "100", "50", "20", "10", "20%", "23", "8", "115%"]]);
  assert.match(byView([], "brand", page).note, /^No event of this range has a brand/);
});

test("what is clicked and not ordered comes with the most such users first", () => {
  const sneakers = [row("view", 9, 9, 1, null, "sneakers"), row("click", 9, 9, 8, 1, "sneakers")];
  const clothes = desktop.map((one) => ({ ...one, value: "clothes" }));
  const unseen = [row("view", 5, 5, 5, null, "unclicked"), row("click", 0, 0, 0, 0, "unclicked")];
  assert.deepEqual(lostView([...clothes, ...sneakers, ...unseen], page).table().rows, [
    ["Sneakers", "8", "9", "88.9%"],
    ["Clothes", "4", "10", "40%"],
  ]);
});
