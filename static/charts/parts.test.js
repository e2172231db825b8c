import assert from "node:assert/strict";
import test from "node:test";
import { parts } from "./parts.js";

const NOTHING = { banner_show: 0, banner_click: 0, order: 0, page_view: 0, product_view: 0, cart: 0, cart_remove: 0 };
const row = (value, banner_show, order, users) => ({ ...NOTHING, value, banner_show, order, users });
const shown = ({ rows }) => rows.map(({ name, figures }) => [name, figures.banner_show, figures.order, figures.users]);

test("each product has a row for each device, empty ones too", () => {
  const { types, groups, all } = parts({
    products: [row("sneakers", 5, 0, 4), row("clothes", 3, 2, 3)],
    devices: [row("mobile", 6, 1, 5), row("desktop", 2, 1, 2)],
    onDevice: [
      ["mobile", [row("sneakers", 5, 0, 4), row("clothes", 1, 1, 2)]],
      ["desktop", [row("clothes", 2, 1, 2)]],
    ],
    total: row(undefined, 8, 2, 6),
  });
  assert.deepEqual(
    types.map(({ key }) => key),
    ["banner_show", "banner_click", "order"],
  );
  assert.deepEqual(groups.map(shown), [
    [
      ["Clothes", 3, 2, 3],
      ["Desktop", 2, 1, 2],
      ["Mobile", 1, 1, 2],
    ],
    [
      ["Sneakers", 5, 0, 4],
      ["Desktop", 0, 0, 0],
      ["Mobile", 5, 0, 4],
    ],
  ]);
  assert.deepEqual(shown(all), [
    ["All products", 8, 2, 6],
    ["Desktop", 2, 1, 2],
    ["Mobile", 6, 1, 5],
  ]);
});

test("events without a device are what the devices leave, and nobody has counted their users", () => {
  const { groups, all } = parts({
    products: [row(null, 7, 0, 6)],
    devices: [row("tablet", 4, 0, 3), row(null, 3, 0, 3)],
    onDevice: [["tablet", [row(null, 4, 0, 3)]]],
    total: row(undefined, 7, 0, 6),
  });
  assert.deepEqual(groups.map(shown), [
    [
      ["No product", 7, 0, 6],
      ["Tablet", 4, 0, 3],
      ["Not stated", 3, 0, null],
    ],
  ]);
  assert.deepEqual(shown(all).at(-1), ["Not stated", 3, 0, 3]);
});

test("of many products the smallest are shown together, without a sum of users", () => {
  const products = [..."abcdefghij"].map((value, i) => row(value, 10 - i, 0, 1));
  const { groups } = parts({
    products,
    devices: [row("mobile", 55, 0, 9)],
    onDevice: [["mobile", products]],
    total: row(undefined, 55, 0, 9),
  });
  assert.equal(groups.length, 8);
  assert.deepEqual(shown(groups.at(-1)), [
    ["3 others", 6, 0, null],
    ["Mobile", 6, 0, null],
  ]);
});
