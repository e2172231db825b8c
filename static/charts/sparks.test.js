import assert from "node:assert/strict";
import test from "node:test";
import { currenciesOf, hoursOf } from "./sparks.js";

const hour = (n, group, events, amount = {}) => ({ window_start: `2026-11-26T0${n}:00:00Z`, group, events, amount });

test("hours without events are zeros, and revenue is that of the largest currency alone", () => {
  const rows = [hour(1, "order", 2, { EUR: "10.50", USD: "3.00" }), hour(3, "banner_show", 7), hour(3, "order", 1, { EUR: "1.00" })];
  assert.deepEqual(currenciesOf(rows), ["EUR", "USD"]);
  assert.deepEqual(hoursOf(rows, "EUR", Date.parse("2026-11-26T00:00:00Z")), [
    { revenue: 0 },
    { revenue: 10.5, order: 2 },
    { revenue: 0 },
    { revenue: 1, banner_show: 7, order: 1 },
  ]);
  assert.deepEqual(hoursOf([], undefined, 0), []);
});
