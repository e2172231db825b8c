import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { DIMENSIONS, comparedRange, neighbour, readState, toggled, toggledAll, unfiltered, without, writeState } from "./state.js";

test("the dimensions are those that the server knows, and the menus offer each of them once", () => {
  const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const [, known] = /const DIMENSIONS: &\[&str\] = &\[([^\]]*)\]/.exec(text("analytics/src/question.rs"));
  const names = (list) => [...list.matchAll(/"([a-z_]+)"/g)].map(([, name]) => name);
  assert.deepEqual(DIMENSIONS, names(known));
  for (const template of ["index.html", "sections/funnel.html"]) {
    const [, kept, rows] = /<optgroup label="Kept counts">(.*)<\/optgroup>\s*<optgroup label="From the rows">{% for name in \[([^\]]*)\]/.exec(
      text(`templates/charts/${template}`),
    );
    const offered = [...[...kept.matchAll(/value="([a-z_]+)"/g)].map(([, name]) => name), ...names(rows)];
    assert.deepEqual(offered.sort(), DIMENSIONS.toSorted(), template);
  }
});

test("an address without anything is the live section of all events", () => {
  assert.deepEqual(readState(""), { section: "live", compare: "off", tz: null, filters: {} });
  assert.deepEqual(readState("?section=nowhere&compare=apples"), readState(""));
});

test("a state is read back as it was written, and the rest of the address is kept", () => {
  const search = writeState("?kind=session&product=sneakers", {
    section: "funnel",
    compare: "year",
    tz: "Europe/Berlin",
    product: ["clothes", "a&b=c"],
    source: "shop",
  });
  assert.deepEqual(readState(search), {
    section: "funnel",
    compare: "year",
    tz: "Europe/Berlin",
    filters: { product: ["clothes", "a&b=c"], source: ["shop"] },
  });
  assert.equal(new URLSearchParams(search).get("kind"), "session");
});

test("what is the default does not stand in the address", () => {
  assert.equal(writeState("?section=trends&compare=previous", { section: "live", compare: "off" }), "/");
  assert.equal(writeState("?product=clothes", { product: null }), "/");
});

test("a value that is clicked again is no filter any more", () => {
  assert.deepEqual(toggled({}, "product", "clothes"), { product: "clothes" });
  assert.deepEqual(toggled({ product: ["clothes"] }, "product", "clothes"), { product: null });
  assert.deepEqual(toggled({ product: ["clothes", "sneakers"] }, "product", "clothes"), { product: "clothes" });
});

test("one value of a filter, or all filters, can be taken off", () => {
  const filters = { product: ["clothes", "sneakers"], source: ["shop"] };
  assert.deepEqual(without(filters, "product", "clothes"), { product: ["sneakers"] });
  assert.equal(writeState("?product=clothes&product=sneakers&source=shop", unfiltered(filters)), "/");
});

test("a range is compared with as many days before it, or the same days a year before", () => {
  const week = { from: "2024-03-01", to: "2024-03-08" };
  assert.deepEqual(comparedRange(week, "previous"), { from: "2024-02-23", to: "2024-03-01" });
  assert.deepEqual(comparedRange(week, "year"), { from: "2023-03-01", to: "2023-03-08" });
  assert.deepEqual(comparedRange({ from: "2024-02-29", to: "2024-03-01" }, "year"), {
    from: "2023-02-28",
    to: "2023-03-01",
  });
  assert.equal(comparedRange(week, "off"), null);
});

test("moments are compared with as long a time before them, or the same time a year before", () => {
  const hour = { from: "2024-02-29T23:30:00.000Z", to: "2024-03-01T00:30:00.000Z" };
  assert.deepEqual(comparedRange(hour, "previous"), { from: "2024-02-29T22:30:00.000Z", to: "2024-02-29T23:30:00.000Z" });
  assert.deepEqual(comparedRange(hour, "year"), { from: "2023-02-28T23:30:00.000Z", to: "2023-03-01T00:30:00.000Z" });
});

test("values of several dimensions are set together, and taken off where all are set", () => {
  const both = { product: "clothes", site_version: "mobile" };
  assert.deepEqual(toggledAll({ product: ["clothes"] }, both), both);
  assert.deepEqual(toggledAll({ product: ["clothes"], site_version: ["mobile"], source: ["shop"] }, both), {
    product: null,
    site_version: null,
  });
});

test("the periods before and after a range are as long as it is", () => {
  const week = { from: "2024-03-01", to: "2024-03-08" };
  assert.deepEqual(neighbour(week, -1), { from: "2024-02-23", to: "2024-03-01" });
  assert.deepEqual(neighbour(week, 1), { from: "2024-03-08", to: "2024-03-15" });
});
