import assert from "node:assert/strict";
import test from "node:test";
import {
  buckets,
  grouping,
  groupsOf,
  PRESETS,
  readRange,
  resolve,
  stretches,
  sumBy,
  ticks,
  weekStart,
  withoutPauses,
  writeRange,
} from "./range.js";

const preset = (key, today) => PRESETS.find((one) => one.key === key).range(today);

test("presets are half-open ranges of whole days", () => {
  assert.deepEqual(preset("today", "2024-02-28"), ["2024-02-28", "2024-02-29"]);
  assert.deepEqual(preset("yesterday", "2024-03-01"), ["2024-02-29", "2024-03-01"]);
  assert.deepEqual(preset("7d", "2024-01-03"), ["2023-12-28", "2024-01-04"]);
  assert.deepEqual(preset("month", "2024-05-31"), ["2024-05-01", "2024-06-01"]);
  assert.deepEqual(preset("last-month", "2024-01-31"), ["2023-12-01", "2024-01-01"]);
});

test("the address gives a range back as it was written", () => {
  const wish = { from: "2019-01-01", to: "2019-06-01" };
  assert.equal(writeRange("?by=week&range=all", wish), "?by=week&from=2019-01-01&to=2019-06-01");
  assert.deepEqual(readRange(writeRange("", wish)), wish);
  assert.deepEqual(readRange("?range=all"), { all: true });
  assert.deepEqual(readRange("?from=2019-01-01"), { from: "2019-01-01", to: null });
  assert.deepEqual(readRange("?by=week"), { auto: true });
});

test("an address with a bad day is refused with its value", () => {
  assert.throws(() => readRange("?from=2019-02-30"), /from=2019-02-30/);
  assert.throws(() => readRange("?from=yesterday"), /from=yesterday/);
  assert.throws(() => readRange("?from=2019-02-02&to=2019-02-02"), /holds no day/);
});

test("a range may be one of moments, and one that moves with the time", () => {
  const wish = { from: "2019-01-01T12:30:00.000Z", to: "2019-01-01T14:00:00.000Z" };
  assert.deepEqual(readRange(writeRange("?section=trends", wish)), wish);
  assert.throws(() => readRange("?from=2019-01-01T12:30:00"), /2019-01-01T12:30:00/);
  assert.throws(() => readRange(`?from=${wish.to}&to=${wish.from}`), /holds nothing/);
  assert.deepEqual(readRange(writeRange("?from=2019-01-01", { last: "1h" })), { last: "1h" });

  const now = Date.parse("2026-11-26T03:29:54Z");
  assert.deepEqual(resolve({ last: "1h" }, null, now), { from: "2026-11-26T02:30:00.000Z", to: "2026-11-26T03:30:00.000Z" });
  assert.deepEqual(resolve({ last: "24h" }, null, now), { from: "2026-11-25T03:30:00.000Z", to: "2026-11-26T03:30:00.000Z" });
});

test("short ranges of moments are grouped finer than by days", () => {
  const group = (from, to) => grouping(`2019-01-01T${from}Z`, to);
  assert.equal(group("12:00:00", "2019-01-01T15:00:00Z"), "minute");
  assert.equal(group("12:00:00", "2019-01-02T12:00:00Z"), "quarter");
  assert.equal(group("12:00:00", "2019-01-06T12:00:00Z"), "hour");
  assert.equal(group("12:00:00", "2019-03-06T12:00:00Z"), "day");
  assert.equal(grouping("2019-01-01", "2019-01-02"), "day");
  assert.deepEqual(groupsOf({ from: "2019-01-01", to: "2019-01-08" }), ["hour", "day", "week", "month"]);
  assert.deepEqual(groupsOf({ from: "2019-01-01", to: "2019-06-01" }), ["day", "week", "month"]);
});

test("an old file and today are two stretches of data, a quiet month is none of its own", () => {
  const rows = buckets("2019-01-01", "2020-01-01", "day").map(({ key }) => ({ day: key, n: 0 }));
  const put = (day, n) => (rows.find((row) => row.day === day).n = n);
  put("2019-01-01", 5);
  put("2019-02-20", 7);
  put("2019-12-31", 1);
  assert.deepEqual(
    stretches(rows, (row) => row.n),
    [
      { from: "2019-01-01", to: "2019-02-21", events: 12 },
      { from: "2019-12-31", to: "2020-01-01", events: 1 },
    ],
  );
});

test("whoever asks for nothing sees most of the data, and at least a week", () => {
  const old = { from: "2019-01-01", to: "2019-06-01", events: 8_000_000 };
  const live = { from: "2026-11-21", to: "2026-11-22", events: 12 };
  const both = { from: old.from, to: live.to, stretches: [old, live] };
  assert.deepEqual(resolve({ auto: true }, both), { from: "2019-01-01", to: "2019-06-01" });
  assert.deepEqual(resolve({ all: true }, both), { from: "2019-01-01", to: "2026-11-22" });
  assert.deepEqual(resolve({ auto: true }, { from: live.from, to: live.to, stretches: [live] }), {
    from: "2026-11-15",
    to: "2026-11-22",
  });
});

test("a range that is open on the side without data still holds a day", () => {
  const overview = { from: "2019-01-01", to: "2019-06-01", stretches: [] };
  assert.deepEqual(resolve({ from: "2020-01-01", to: null }, overview), { from: "2020-01-01", to: "2020-01-02" });
  assert.deepEqual(resolve({ from: null, to: "2018-01-01" }, overview), { from: "2017-12-31", to: "2018-01-01" });
});

test("weeks begin on Monday and are cut to the range", () => {
  assert.equal(weekStart("2019-01-06"), "2018-12-31");
  assert.deepEqual(buckets("2019-01-01", "2019-01-09", "week"), [
    { key: "2018-12-31", from: "2019-01-01", to: "2019-01-07" },
    { key: "2019-01-07", from: "2019-01-07", to: "2019-01-09" },
  ]);
});

test("every row of a range is counted in one bucket", () => {
  const rows = buckets("2018-11-15", "2020-03-03", "day").map(({ key }) => ({ day: key, n: 1 }));
  for (const group of ["day", "week", "month"]) {
    const list = buckets("2018-11-15", "2020-03-03", group);
    const sums = sumBy(rows, list, group, (row) => row.n);
    assert.equal(sums.length, list.length);
    assert.equal(
      sums.reduce((a, b) => a + b),
      rows.length,
    );
  }
});

test("labels stand at round dates and leave each other room", () => {
  const list = buckets("2019-01-01", "2019-06-01", "day");
  assert.deepEqual(
    ticks(list, "day", 10).map((i) => list[i].key),
    ["2019-01-01", "2019-02-01", "2019-03-01", "2019-04-01", "2019-05-01"],
  );
  const fortnight = buckets("2019-01-01", "2019-01-13", "day");
  assert.deepEqual(ticks(fortnight, "day", 9), [0, 2, 4, 6, 8, 10]);
  const decade = buckets("2010-01-01", "2026-01-01", "month");
  assert.deepEqual(
    ticks(decade, "month", 9).map((i) => decade[i].key.slice(0, 4)),
    ["2010", "2012", "2014", "2016", "2018", "2020", "2022", "2024"],
  );
  for (let days = 1; days < 4_000; days = Math.ceil(days * 1.3)) {
    const to = new Date(Date.UTC(2015, 4, 17) + days * 86_400_000).toISOString().slice(0, 10);
    const group = grouping("2015-05-17", to);
    const shown = ticks(buckets("2015-05-17", to, group), group, 4);
    assert.ok(shown.length >= 1 && shown.length <= 4, `${days} days`);
  }
});

test("long pauses are one bucket where the list would be mostly empty, and no figure is lost", () => {
  const months = buckets("2019-01-01", "2026-11-27", "month");
  const rows = [{ day: "2019-02-03", n: 4 }, { day: "2019-05-31", n: 2 }, { day: "2026-11-26", n: 1 }];
  const filled = (list) => sumBy(rows, list, "month", ({ n }) => n).map((n) => n > 0);
  const list = withoutPauses(months, filled(months));
  assert.deepEqual(list.map(({ from }) => from.slice(0, 7)), ["2019-01", "2019-02", "2019-03", "2019-04", "2019-05", "2019-06", "2026-11"]);
  assert.deepEqual(list[5], { key: "2019-06-01", from: "2019-06-01", to: "2026-11-01", gap: true });
  assert.deepEqual(sumBy(rows, list, "month", ({ n }) => n), [0, 4, 0, 0, 2, 0, 1]);
});

test("a pause in a list that is mostly full is drawn, and so is a list of nothing", () => {
  const days = buckets("2019-01-01", "2019-02-10", "day");
  const full = withoutPauses(days, days.map((_, i) => i < 10 || i > 25));
  assert.equal(full, days);
  assert.equal(withoutPauses(days, days.map(() => false)), days);
});
