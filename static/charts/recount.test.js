import assert from "node:assert/strict";
import test from "node:test";
import { compare, percentOf } from "./recount.js";

const single = (before, recounted, after = before, column = "order") =>
  compare({
    key: [],
    columns: [column],
    before: [{ [column]: before }],
    recounted: [{ [column]: recounted }],
    after: [{ [column]: after }],
    all: true,
  });
const verdict = ({ equal, rows, moved }) => [equal === rows, moved];

test("a figure is equal to its recount, however either is written", () => {
  assert.deepEqual(verdict(single(12345, "12345")), [true, false]);
  assert.deepEqual(verdict(single(12345, "12346")), [false, false]);
  assert.deepEqual(verdict(single(59.2921009771987, "59.2921009771986971", undefined, "mean_seconds")), [true, false]);
  assert.deepEqual(verdict(single({ USD: "12.50", EUR: "1" }, '{"EUR": "1.00", "USD": "12.5"}', undefined, "amount")), [
    true,
    false,
  ]);
  const [kept, recounted] = ["2019-01-01T00:15:00.250000Z", "2019-01-01 06:00:00.25+05:45"];
  assert.deepEqual(verdict(single(kept, recounted, kept, "stored_at")), [true, false]);
});

test("while events arrive a recount between what was kept before and after is equal, and beyond it is not", () => {
  assert.deepEqual(verdict(single(10, "12", 14)), [true, true]);
  assert.deepEqual(verdict(single(10, "15", 14)), [false, true]);
});

test("rows are compared by their keys, rows of zeros are as good as none, and the cells that differ are told", () => {
  const kept = [
    { day: "2019-01-01", order: 1, users: 1, amount: {} },
    { day: "2019-01-02", order: 0, users: 0, amount: {} },
    { day: "2019-01-03", order: 5, users: 3, amount: { USD: "1.00" } },
    { day: "2019-01-04", order: 2, amount: {} },
  ];
  const recounted = [
    { day: "2019-01-03", order: "6", users: "3", amount: '{"USD": "1.00"}' },
    { day: "2019-01-01", order: "1", users: "1", amount: "{}" },
    { day: "2019-01-04", order: "2", users: "2", amount: "{}" },
  ];
  const columns = ["order", "users", "amount"];
  const result = compare({ key: ["day"], columns, recounted, before: kept, after: kept });
  assert.deepEqual([result.rows, result.equal, result.moved], [3, 2, false]);
  assert.deepEqual(
    result.cells.map(({ row, column, after, recounted }) => [row, column, after, recounted]),
    [[["2019-01-03"], "order", 5, "6"]],
  );
});

test("a row on one side only differs, unless the recount was cut", () => {
  const kept = [
    { value: "a", order: 1 },
    { value: null, order: 2 },
  ];
  const sides = { key: ["value"], columns: ["order"], before: kept, after: kept };
  const recounted = [{ value: null, order: "2" }];
  assert.deepEqual(verdict(compare({ ...sides, recounted })), [false, false]);
  assert.deepEqual(verdict(compare({ ...sides, recounted, partly: true })), [true, false]);
});

test("rates are rounded as PostgreSQL rounds them", () => {
  assert.equal(percentOf(4, 3), "133.33");
  assert.equal(percentOf(1, 800), "0.13");
  assert.equal(percentOf(0, 5), "0.00");
  assert.equal(percentOf(5, 0), null);
});
