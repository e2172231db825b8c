import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { unfinished } from "./axes.js";
import { POINT, POINT_OPACITY } from "./sales-map.js";
import { NARROW_OPACITY } from "./windows-view.js";
import { EVENT_TYPES, deviceColor, groupColor, productColor, SHOP_PRODUCTS } from "./palette.js";

const css = readFileSync(new URL("charts.css", import.meta.url), "utf8");
const THEMES = ["light", "dark"];
const colors = Object.fromEntries(
  [...css.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [name, { light, dark }]),
);

const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
/** The relative luminance of WCAG 2. */
function luminance(color) {
  const [r, g, b] = channels(color).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(a, b) {
  const [bright, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dark + 0.05);
}
/** A colour as it looks at an opacity before another one. */
const over = (color, ground, opacity) =>
  `#${channels(color)
    .map((c, i) => Math.round(255 * (opacity * c + (1 - opacity) * channels(ground)[i])).toString(16).padStart(2, "0"))
    .join("")}`;

const check = (what, color, ground, least) => {
  const is = ratio(color, ground);
  assert.ok(is >= least, `${what}: ${color} on ${ground} is ${is.toFixed(2)}, less than ${least}`);
};

test("ratios are those of WCAG", () => {
  assert.equal(ratio("#000000", "#ffffff"), 21);
  assert.equal(ratio("#767676", "#ffffff").toFixed(2), "4.54");
});

test("texts stand out 4.5:1 from what they are on, in both themes", () => {
  for (const theme of THEMES) {
    const of = (name) => colors[name][theme];
    for (const [text, grounds] of Object.entries({
      text: ["page", "card", "raised", "tint", "line"],
      muted: ["page", "card", "raised"],
      accent: ["page", "card", "tint"],
      "on-accent": ["accent"],
      good: ["page", "card"],
      bad: ["page", "card", "bad-tint"],
    })) {
      for (const ground of grounds) check(`${theme}: ${text} on ${ground}`, of(text), of(ground), 4.5);
    }
    // .pills .value
    check(`${theme}: a figure of a pill`, over(of("text"), of("page"), 0.8), of("page"), 4.5);
    check(`${theme}: a figure of the current pill`, over(of("on-accent"), of("accent"), 0.8), of("accent"), 4.5);
  }
});

test("edges of fields and what is drawn stand out 3:1 from the card, in both themes", () => {
  const products = SHOP_PRODUCTS.map((name) => [name, productColor(name)]);
  const more = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => [name, productColor(name)]);
  const types = EVENT_TYPES.map(({ key, color }) => [key, color]);
  const devices = ["desktop", "mobile", "tablet", "unknown"].map((name) => [name, deviceColor(name)]);
  const sources = Array.from({ length: 13 }, (_, i) => [`source ${i}`, groupColor("source", `${i}`)]);
  for (const theme of THEMES) {
    const of = (name) => colors[name][theme];
    for (const name of ["edge", "accent", "good", "bad"]) {
      for (const ground of ["page", "card"]) check(`${theme}: ${name} on ${ground}`, of(name), of(ground), 3);
    }
    for (const [name, color] of [...products, ...more, ...types, ...devices, ...sources, ["not stated", groupColor("source", null)]])
      check(`${theme}: ${name}`, color, of("card"), 3);
    check(`${theme}: a place on the map`, over(POINT, of("card"), POINT_OPACITY), of("card"), 3);
    check(`${theme}: a narrow window`, over(of("accent"), of("card"), NARROW_OPACITY), of("card"), 3);
    // the paler fill of what is unfinished has an edge of the full colour
    for (const color of types.map(([, color]) => color)) assert.equal(unfinished(color).borderColor, color);
    // .spark svg
    check(`${theme}: a sparkline`, over(of("accent"), of("card"), 0.7), of("card"), 3);
  }
});
