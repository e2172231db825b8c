import assert from "node:assert/strict";
import test from "node:test";
import { length } from "./format.js";
import { dayStart, momentTicks } from "./moments.js";

const start = (day, zone) => new Date(dayStart(day, zone)).toISOString();

test("a day begins when the zone's clock says so, without a midnight too", () => {
  assert.equal(start("2019-01-01", "UTC"), "2019-01-01T00:00:00.000Z");
  assert.equal(start("2019-01-01", "Asia/Kathmandu"), "2018-12-31T18:15:00.000Z");
  // midnight is skipped
  assert.equal(start("2026-03-08", "America/Havana"), "2026-03-08T05:00:00.000Z");
  // the zone has no such day
  assert.equal(start("2011-12-30", "Pacific/Apia"), start("2011-12-31", "Pacific/Apia"));
});

test("an axis is labelled at round times of the zone's days, and at days where it is long", () => {
  const labels = (from, to, most) =>
    momentTicks(Date.parse(from), Date.parse(to), "Asia/Kathmandu", most).map(({ time, day }) =>
      day ? `${day}` : new Date(time + 20_700_000).toISOString().slice(11, 16),
    );
  assert.deepEqual(labels("2018-12-31T18:15Z", "2019-01-01T18:15Z", 8), [
    "2019-01-01",
    "03:00",
    "06:00",
    "09:00",
    "12:00",
    "15:00",
    "18:00",
    "21:00",
    "2019-01-02",
  ]);
  assert.deepEqual(labels("2018-12-31T18:15Z", "2019-03-31T18:15Z", 6), [
    "2019-01-01",
    "2019-02-01",
    "2019-03-01",
    "2019-04-01",
  ]);
});

test("lengths have two units at the most", () => {
  assert.deepEqual([0, 4.25, 59.5, 60, 200, 3_599.9, 7_500, 90_000].map(length), [
    "0 s",
    "4.3 s",
    "59.5 s",
    "1 min",
    "3 min 20 s",
    "1 h",
    "2 h 5 min",
    "1 d 1 h",
  ]);
});
