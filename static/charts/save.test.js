import assert from "node:assert/strict";
import test from "node:test";
import * as format from "./format.js";
import { values } from "./save.js";

test("what was written by locale is saved as numbers, a dash as nothing, and any other text as it is", () => {
  const cells = [format.count(1234567), format.percent(1, 8), format.percent(115, 100), "–", "2019-01-01", "$1,234.50"];
  assert.deepEqual(values({ head: ["a"], rows: [cells] }).rows, [[1234567, 0.125, 1.15, null, "2019-01-01", "$1,234.50"]]);
  // an id of 19 digits is no number that a double holds
  assert.equal(format.parse("1515915625601579158"), "1515915625601579158");
});

test("the sums at a table's foot are its last row", () => {
  assert.deepEqual(values({ head: ["a"], rows: [["1"]], foot: ["2"] }).rows, [[1], [2]]);
});
