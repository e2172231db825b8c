import assert from "node:assert/strict";
import test from "node:test";
import { EVENT_TYPES } from "./palette.js";
import { audienceView, heatmapView, scatterView, sourcesView, systemsView } from "./trends-views.js";

const page = { toggle: (dimension, value) => ({ [dimension]: value }), toggleAll: (values) => values };
const NONE = Object.fromEntries(EVENT_TYPES.map(({ key }) => [key, 0]));
const row = (value, product_view, order = 0, users = 1) => ({ ...NONE, value, product_view, order, users });
const theme = { text: "", muted: "", line: "grey", card: "", accent: "blue" };

test("sources beyond five are one slice, which filters nothing, and rows of their own in the table", () => {
  const rows = [...["a", "b", "c", "d", "e", "f", "g"].map((name, i) => row(name, 70 - i * 10)), row(null, 5)];
  const view = sourcesView(rows, page);
  assert.deepEqual(view.legend.map(({ name, value }) => [name, value]).slice(4), [["e", "30"], ["2 others", "30"]]);
  assert.equal(view.pick({ dataIndex: 5 }), null);
  assert.deepEqual(view.pick({ dataIndex: 0 }), { traffic_source: "a" });
  assert.equal(view.table().rows.length, 7);
  assert.equal(view.note, "5 more events have no traffic source.");
  assert.equal(sourcesView(rows.slice(0, 6), page).legend.length, 6);
});

test("an empty card says what would fill it", () => {
  for (const view of [sourcesView([row(null, 3)], page), systemsView([], [], page), audienceView([], "gender", page)]) {
    assert.match(view.note, /^No event of this range has a /);
    assert.match(view.command, /^shopwindow simulate --profile clickstream /);
    assert.deepEqual(view.table().rows, []);
    assert.ok(view.option(theme, 400).series.length);
  }
});

test("no command is promised to fill regions, which only updates of users have", () => {
  const view = audienceView([], "region", page);
  assert.match(view.note, /^No event of this range has a region\. /);
  assert.equal(view.command, undefined);
});

test("systems stand around their device, what states none included, and filter by both", () => {
  const view = systemsView([row("Mobile", 60), row("Desktop", 40)], [["Mobile", [row("iOS", 30), row("Android", 20)]]], page);
  assert.deepEqual(view.table().rows, [
    ["Mobile", "iOS", "30", "30%"],
    ["Mobile", "Android", "20", "20%"],
    ["Mobile", "Not stated", "10", "10%"],
    ["Desktop", "Not stated", "40", "40%"],
  ]);
  assert.deepEqual(view.pick({ seriesId: "systems", dataIndex: 1 }), { device: "Mobile", os: "Android" });
  assert.deepEqual(view.pick({ seriesId: "systems", dataIndex: 2 }), { device: "Mobile" });
  assert.deepEqual(view.pick({ seriesId: "devices", dataIndex: 1 }), { device: "Desktop" });
  const [inner, outer] = view.option(theme, 400).series;
  const sum = ({ data }) => data.reduce((all, { value }) => all + value, 0);
  assert.equal(sum(inner), sum(outer));
});

test("a device that grew between two reads is as large as its systems", () => {
  const view = systemsView([row("Mobile", 10)], [["Mobile", [row("iOS", 12)]]], page);
  assert.equal(view.legend[0].value, "12");
  assert.deepEqual(view.table().rows, [["Mobile", "iOS", "12", "100%"]]);
});

test("ages stand in their order, all else by size, and users have no sum", () => {
  const ages = audienceView([row("55+", 9, 0, 3), row("18-24", 1), row("25-34", 5)], "age_group", page).table();
  assert.deepEqual(ages.rows.map(([name]) => name), ["18-24", "25-34", "55+"]);
  assert.equal(ages.foot[3], "");
  const regions = audienceView([row("Region_1", 1), row("Region_2", 5, 1)], "region", page);
  assert.deepEqual(regions.table().rows[0], ["Region_2", "6", "85.7%", "1"]);
  assert.deepEqual(regions.pick({ dataIndex: 0 }), { region: "Region_2" });
});

test("a day without orders has no dot and a row in the table", () => {
  const days = (...orders) => orders.map((order, i) => ({ day: `2019-01-0${i + 1}`, order }));
  const view = scatterView([["clothes", days(3, 0)], ["sneakers", days(1, 2)]], page);
  assert.deepEqual(view.option(theme, 400).series.map(({ data }) => data.map(({ value }) => value)), [[[0, 3]], [[0, 1], [1, 2]]]);
  assert.deepEqual(view.table().rows, [["2019-01-01", "3", "1"], ["2019-01-02", "0", "2"]]);
  assert.deepEqual(view.pick({ seriesId: "sneakers" }), { product: "sneakers" });
  assert.equal(scatterView([], page).note, "No orders in this range.");
});

test("the hours of the week begin on Monday at midnight and have all 168 cells", () => {
  const rows = [
    { ...NONE, weekday: 1, hour: 0, banner_show: 4 },
    { ...NONE, weekday: 7, hour: 23, banner_show: 8, order: 1 },
  ];
  const view = heatmapView(rows, "all");
  assert.match(view.label, /13 in all, most on Sunday from 23:00, 9\.$/);
  const { data } = view.option(theme, 400).series[0];
  assert.equal(data.length, 168);
  assert.deepEqual(data[0], { name: "Monday, 00:00", value: [0, 0, 4] });
  assert.deepEqual(data[167], { name: "Sunday, 23:00", value: [23, 6, 9] });
  assert.deepEqual(view.table().foot.slice(1), ["4", "0", "0", "0", "0", "0", "9"]);
  assert.equal(heatmapView(rows, "order").table().foot[7], "1");
  assert.equal(heatmapView([], "all").note, "None of these in this range.");
});
