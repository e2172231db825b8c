import assert from "node:assert/strict";
import test from "node:test";
import { bands, sameWeekdays } from "./usual.js";

test("the last eight days of the weekday end at the same time of the clock", () => {
  const { until, ranges } = sameWeekdays(Date.parse("2026-11-05T13:44:59Z"), "Europe/Berlin");
  assert.equal(until, "14:30");
  assert.equal(ranges.length, 8);
  assert.deepEqual(ranges[0], { from: "2026-10-29", to: "2026-10-29T13:30:00.000Z" });
  // in summer time
  assert.deepEqual(ranges[1], { from: "2026-10-22", to: "2026-10-22T12:30:00.000Z" });
  assert.deepEqual(sameWeekdays(Date.parse("2026-11-05T00:14:00Z"), "UTC").ranges, []);
});

test("a band goes from the least to the most, and days before the shop began are none", () => {
  const clothes = (order) => [{ value: "clothes", order }];
  const usual = bands([clothes(4), [], clothes(9), [{ value: "sneakers", order: 1 }], clothes(5)], "14:30");
  assert.equal(usual.days, 4);
  assert.deepEqual(usual.of("clothes", "order"), { low: 0, middle: 4.5, high: 9 });
  assert.deepEqual(usual.of("sneakers", "order"), { low: 0, middle: 0, high: 1 });
  assert.equal(bands([clothes(4), []], "14:30"), null);
});
