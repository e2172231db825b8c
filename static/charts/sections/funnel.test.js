import assert from "node:assert/strict";
import test from "node:test";
import { stagesView } from "./funnel.js";

const page = (versus = "") => ({ versus: () => versus, toggle: (dimension, value) => ({ [dimension]: value }) });
const rows = [
  { value: "banner_show", banner_show: 100, users: 40 },
  { value: "order", order: 5, users: 4 },
];

test("each stage has its events and users, those without any as zeros, and a cart only where there is one", () => {
  const { head, rows: table, picks } = stagesView(rows, undefined, page()).table();
  assert.deepEqual(head, ["Stage", "Events", "Users"]);
  assert.deepEqual(table, [
    ["Shows", "100", "40"],
    ["Clicks", "0", "0"],
    ["Orders", "5", "4"],
  ]);
  assert.deepEqual(picks[2], { event_type: "order" });
});

test("a comparison says what with", () => {
  const before = [{ value: "banner_show", banner_show: 80, users: 40 }];
  const { head, rows: table } = stagesView(rows, before, page("vs 1 – 7 Jan")).table();
  assert.deepEqual(head.slice(3), ["Events vs 1 – 7 Jan", "Change"]);
  assert.deepEqual(table[0].slice(3), ["80", "+25%"]);
  assert.deepEqual(table[2].slice(3), ["0", "–"]);
});
