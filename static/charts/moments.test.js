import assert from "node:assert/strict";
import test from "node:test";
import { length } from "./format.js";
import { bucketsOf, dayEarlier, daysOf, dayStart, momentOf, momentTicks, ofOneKind } from "./moments.js";
import { sumBy, ticks } from "./range.js";

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

test("a time of a day is the moment at which the zone's clock shows it", () => {
  const at = (day, time, zone) => new Date(momentOf(day, time, zone)).toISOString();
  assert.equal(at("2019-01-07", "12:30", "Asia/Kathmandu"), "2019-01-07T06:45:00.000Z");
  assert.equal(at("2026-03-29", "12:00", "Europe/Berlin"), "2026-03-29T10:00:00.000Z");
  // skipped: moved on by the hour that is skipped
  assert.equal(at("2026-03-29", "02:30", "Europe/Berlin"), "2026-03-29T01:30:00.000Z");
  // comes twice: the first
  assert.equal(at("2026-10-25", "02:30", "Europe/Berlin"), "2026-10-25T00:30:00.000Z");
  assert.equal(at("2026-10-25", "03:30", "Europe/Berlin"), "2026-10-25T02:30:00.000Z");
  assert.equal(at("2026-10-04", "02:15", "Australia/Lord_Howe"), "2026-10-03T15:45:00.000Z");
});

test("the same time of the day before is the clock's, also where a day has 23 or 25 hours", () => {
  const before = (time, zone) => new Date(dayEarlier(Date.parse(time), zone)).toISOString();
  assert.equal(before("2026-11-26T03:29:54.321Z", "UTC"), "2026-11-25T03:29:54.321Z");
  assert.equal(before("2026-03-29T10:00:00Z", "Europe/Berlin"), "2026-03-28T11:00:00.000Z");
  assert.equal(before("2026-10-25T11:00:00Z", "Europe/Berlin"), "2026-10-24T10:00:00.000Z");
});

test("a day and a moment are a range of moments, which has a part of its zone's days", () => {
  const range = ofOneKind({ from: "2019-01-01", to: "2019-01-02T12:00:00Z" }, "Asia/Kathmandu");
  assert.deepEqual(range, { from: "2018-12-31T18:15:00.000Z", to: "2019-01-02T12:00:00.000Z" });
  assert.deepEqual(daysOf(range, "Asia/Kathmandu"), { from: "2019-01-01", to: "2019-01-03" });
  assert.deepEqual(daysOf({ from: "2019-01-01T00:00:00Z", to: "2019-01-02T00:00:00Z" }, "UTC"), {
    from: "2019-01-01",
    to: "2019-01-02",
  });
});

test("fine buckets lie where windows do, are cut to the range and labelled at round times of the zone", () => {
  const range = { from: "2019-01-01T12:07:00Z", to: "2019-01-01T14:40:00Z" };
  const list = bucketsOf(range, "quarter", "Asia/Kathmandu");
  assert.equal(list.length, 11);
  assert.deepEqual([list[0].key, list[0].from, list[0].to], [
    "2019-01-01T12:00:00.000Z",
    "2019-01-01T12:07:00.000Z",
    "2019-01-01T12:15:00.000Z",
  ]);
  assert.equal(list.at(-1).to, "2019-01-01T14:40:00.000Z");
  assert.deepEqual(
    ticks(list, "quarter", 4).map((i) => list[i].clock),
    ["18:00", "19:00", "20:00"],
  );
  const rows = [{ day: "2019-01-01T12:15:00.000Z", n: 3 }, { day: "2019-01-01T12:15:00.000Z", n: 4 }];
  assert.deepEqual(sumBy(rows, list, "quarter", (row) => row.n).slice(0, 3), [0, 7, 0]);
  // an hour that comes twice is two buckets, one that is skipped none
  assert.equal(bucketsOf({ from: "2026-10-25", to: "2026-10-26" }, "hour", "Europe/Berlin").length, 25);
  assert.equal(bucketsOf({ from: "2026-03-29", to: "2026-03-30" }, "hour", "Europe/Berlin").length, 23);
});
