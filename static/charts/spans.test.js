import assert from "node:assert/strict";
import test from "node:test";
import { csv, csvLines, spans } from "./spans.js";

const row = (hour, group, events, orders = 0, amount = {}) => ({
  window_start: `2019-01-01T0${hour}:00:00.000000Z`,
  window_end: `2019-01-01T0${hour + 1}:00:00.000000Z`,
  group,
  events,
  orders,
  amount,
});
const at = (hour) => Date.UTC(2019, 0, 1, hour);

test("rows of the same window become one with a part for each group, the largest group first", () => {
  const { windows, groups, grouped } = spans([row(1, "a", 1), row(1, "b", 5), row(2, "a", 2)], "events");
  assert.equal(grouped, true);
  assert.deepEqual(groups, [
    { value: "b", sum: 5 },
    { value: "a", sum: 3 },
  ]);
  assert.deepEqual(windows, [
    { start: at(1), end: at(2), parts: [5, 1], total: 6 },
    { start: at(2), end: at(3), parts: [0, 2], total: 2 },
  ]);
});

test("of many groups the smallest are told as others, with their number", () => {
  const rows = Array.from({ length: 10 }, (_, i) => row(1, `group ${i}`, 10 - i));
  const { windows, groups } = spans(rows, "events");
  assert.equal(groups.length, 8);
  assert.deepEqual(groups.at(-1), { others: 3, sum: 6 });
  assert.deepEqual(windows[0].parts, [10, 9, 8, 7, 6, 5, 4, 6]);
});

test("a window whose groups may go on in other rows is left out, unless it is the only one", () => {
  const rows = [row(1, "b", 1), row(2, "a", 2), row(3, "a", 3)];
  const starts = (cut) => spans(rows, "events", cut).windows.map(({ start }) => start);
  assert.deepEqual(starts({}), [at(1), at(2), at(3)]);
  assert.deepEqual(starts({ after: true }), [at(1), at(2)]);
  assert.deepEqual(starts({ before: true, after: true }), [at(2)]);
  const { windows, torn } = spans([row(1, "a", 1), row(1, "b", 1)], "events", { after: true });
  assert.equal(windows.length, 1);
  assert.equal(torn, true);
});

test("windows without groups are whole wherever the rows are cut", () => {
  const { windows, grouped } = spans([row(1, null, 4, 1), row(2, null, 2, 0)], "orders", { before: true, after: true });
  assert.equal(grouped, false);
  assert.deepEqual(
    windows.map(({ total }) => total),
    [1, 0],
  );
});

test("a file has a column a currency and quotes what needs it", () => {
  const rows = [row(1, 'a "b", c', 3, 2, { USD: "12.50" }), row(2, null, 1, 1, { EUR: "0.10", USD: "1.00" })];
  assert.deepEqual(csv(rows).split("\r\n"), [
    "window_start,window_end,group,events,orders,amount_EUR,amount_USD",
    '2019-01-01T01:00:00.000000Z,2019-01-01T02:00:00.000000Z,"a ""b"", c",3,2,,12.50',
    "2019-01-01T02:00:00.000000Z,2019-01-01T03:00:00.000000Z,,1,1,0.10,1.00",
    "",
  ]);
});

test("a text that would be a formula in a spreadsheet begins with an apostrophe, and a number never does", () => {
  const texts = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx", "-1+1", "-", "a=b", "'="];
  const safe = ["'=1+1", "'+cmd", "'-x", "'@SUM(A1)", "'\tx", "'-1+1", "'-", "a=b", "'="];
  assert.equal(csvLines([texts]), `${safe.join(",")}\r\n`);
  assert.equal(csvLines([["\r=1", '=HYPERLINK("x")']]), `"'\r=1","'=HYPERLINK(""x"")"\r\n`);
  assert.equal(csvLines([[-1, -0.5, -1e-7, "-12.50", "+3"]]), "-1,-0.5,-1e-7,-12.50,+3\r\n");
  const row = { window_start: "a", window_end: "b", group: "=1", events: 1, orders: 0, amount: { USD: "-2.00" } };
  assert.equal(csv([row]).split("\r\n")[1], "a,b,'=1,1,0,-2.00");
});
