import assert from "node:assert/strict";
import { test } from "node:test";
import { currencies, sum } from "./money.js";

test("sums of money are exact", () => {
  assert.equal(sum(["0.1", "0.2"]), "0.3");
  assert.equal(sum(["12345678901234567890.05", "0.95", "3"]), "12345678901234567894.00");
  assert.equal(sum(["-1.50", "1"]), "-0.50");
  assert.equal(sum(["5", "7"]), "12");
  assert.equal(sum([]), "0");
});

test("the currency with most comes first, and the name decides where they are equal", () => {
  assert.deepEqual(currencies({ EUR: "9", USD: "10.50", PLN: "9.00" }), ["USD", "EUR", "PLN"]);
  assert.deepEqual(currencies({}), []);
});
