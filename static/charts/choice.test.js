import assert from "node:assert/strict";
import test from "node:test";
import { advancesOf, decided, fieldOf, lengthInWords, overlap, questionOf, readChoice, writeChoice } from "./choice.js";

const five_months = { from: "2019-01-01", to: "2019-06-01" };
const day = { from: "2019-01-01", to: "2019-01-02" };
const question = (search, range) => questionOf(decided(readChoice(search), range));

test("an address that names nothing asks for tumbling windows that suit the range", () => {
  const nothing = { kind: "tumbling", advance: null, gap: null, group_by: null };
  assert.deepEqual(question("", day), { ...nothing, size: "1h" });
  assert.deepEqual(question("", five_months), { ...nothing, size: "1d" });
  assert.deepEqual(question("?kind=tumbling", { from: "2010-01-01", to: "2020-01-01" }), { ...nothing, size: "1mo" });
});

test("an address is asked for as it stands, unusable values too", () => {
  assert.deepEqual(question("?kind=hopping&size=1h&advance=30m&group=product", five_months), {
    kind: "hopping",
    size: "1h",
    advance: "30m",
    gap: null,
    group_by: "product",
  });
  assert.equal(question("?size=soon", day).size, "soon");
  assert.deepEqual(question("?kind=session&gap=1h&size=1d&group=product", day), {
    kind: "session",
    size: null,
    advance: null,
    gap: "1h",
    group_by: null,
  });
});

test("hopping windows advance by half of their size at the most, in what the size is counted in", () => {
  const advance = (size) => question(`?kind=hopping&size=${size}`, day).advance;
  assert.deepEqual(["1h", "24h", "1w", "3mo", "1m"].map(advance), ["30m", "12h", "1d", "1mo", "30s"]);
  assert.equal(advance("1d"), "1d");
  assert.equal(advance("soon"), null);
  assert.deepEqual(advancesOf("1h"), ["1m", "5m", "15m", "30m"]);
});

test("a change of the address drops what has no meaning any more and keeps the rest", () => {
  const before = "?from=2019-01-01&kind=hopping&size=1h&advance=5m&group=product";
  assert.equal(writeChoice(before, { size: "24h" }), "?from=2019-01-01&kind=hopping&size=24h&group=product");
  assert.equal(writeChoice(before, { kind: "tumbling" }), "?from=2019-01-01&kind=tumbling&size=1h&group=product");
  assert.equal(writeChoice(before, { kind: "session" }), "?from=2019-01-01&kind=session");
  assert.equal(writeChoice("?kind=session&gap=1h", { kind: "tumbling" }), "?kind=tumbling");
  assert.equal(writeChoice("?gap=1h", { gap: null }), "/");
});

test("a moment lies in as many hopping windows as the advance goes into the size", () => {
  const of = (search) => overlap(decided(readChoice(search), day));
  assert.equal(of("?kind=hopping&size=1h&advance=5m"), 12);
  assert.equal(of("?size=1h"), 1);
});

test("lengths are told in words and problems at their fields", () => {
  assert.deepEqual(["1h", "30m", "3mo", "soon"].map(lengthInWords), ["1 hour", "30 minutes", "3 months", "soon"]);
  assert.equal(fieldOf('size "soon" is not a number and one of s, m, h, d, w and mo'), "size");
  assert.equal(fieldOf('parameter "advance" is missing; it is a number'), "advance");
  assert.equal(fieldOf('group_by "colour" is none of none, event_type'), "group");
  assert.equal(fieldOf("a range is too long"), null);
});
