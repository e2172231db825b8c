import assert from "node:assert/strict";
import test from "node:test";
import { advance, dayView, placeOf, playDays } from "./play-days.js";

const row = (day, order, banner_show = 0) => ({
  day, banner_show, banner_click: 0, page_view: 0, product_view: 0, cart: 0, cart_remove: 0, order,
});

test("the play goes as many days a second as it is told, whatever the frames", () => {
  let state = { at: 0, rest: 0 };
  for (let i = 0; i < 60; i++) state = advance(state, 1000 / 64, 4, 150);
  assert.equal(state.at, 3);
  // a frame may have begun before the press
  assert.equal(advance({ at: 0, rest: 0 }, -3, 12, 150).at, 0);
  assert.deepEqual(advance({ at: 149, rest: 0.9 }, 100, 12, 150), { at: 150, rest: 0.9 + 1.2 - 2, over: true });
});

test("a page that was hidden does not leap", () => {
  assert.equal(advance({ at: 0, rest: 0 }, 60_000, 4, 150).at, 1);
});

test("a day that the range does not have is the one before it", () => {
  const days = ["2019-01-01", "2019-01-02"];
  assert.deepEqual(["2018-01-01", "2019-01-02", "2020-01-01"].map((day) => placeOf(days, day)), [0, 1, 1]);
});

test("a day has the figures of its rows, and what the parts leave is a part", () => {
  const figures = playDays({
    all: [row("2019-01-01", 5, 2), row("2019-01-02", 3)],
    products: [["clothes", [row("2019-01-01", 4), row("2019-01-02", 3)]]],
    devices: [["mobile", [row("2019-01-02", 1)]]],
    sources: [],
  });
  assert.deepEqual(dayView(figures, 0).table().rows, [
    ["Shows", "Events", "2"],
    ["Orders", "Events", "5"],
    ["Clothes", "Orders by product", "4"],
    ["Others", "Orders by product", "1"],
    ["Mobile", "Events by device", "0"],
    ["Not stated", "Events by device", "7"],
  ]);
  assert.equal(figures.groups[2].most, 7);
});
