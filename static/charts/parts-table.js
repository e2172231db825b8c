// The table of a range's parts. While its rows stay the same only its figures are written anew.

import { picker } from "./card.js";
import * as format from "./format.js";
import { GREY, groupColor } from "./palette.js";

const card = document.getElementById("parts");
const table = card.querySelector("table");
let drawn = null;

/** What parts.js made of the figures; a click on a product or a device filters the page by it. */
export function showParts({ types, groups, all }, page) {
  const rows = [...groups, all].flatMap((group) => group.rows.map((row) => ({ ...row, product: group.product })));
  const shape = JSON.stringify([types.map(({ key }) => key), rows.map((row) => [row.product, row.device, row.name])]);
  if (shape !== drawn) build({ types, groups, all }, page);
  drawn = shape;
  card.dataset.state = "ready";
  const keys = [...types.map(({ key }) => key), "users"];
  [...table.tBodies, table.tFoot]
    .flatMap((section) => [...section.rows])
    .forEach((row, i) => keys.forEach((key, n) => write(row.cells[n + 1], rows[i].figures[key])));
}

function write(cell, figure) {
  const text = figure === null ? "–" : format.count(figure);
  if (cell.textContent === text) return;
  cell.textContent = text;
  cell.classList.toggle("none", !figure);
  cell.title = figure === null ? "Nobody has counted these together" : "";
}

function build({ types, groups, all }, page) {
  const head = table.tHead.rows[0];
  head.replaceChildren(
    ...["Product and device", ...types.map(({ name }) => name), "Users"].map((name) => header("col", name)),
  );
  for (const body of [...table.tBodies]) body.remove();
  table.tHead.after(...groups.map((group) => section("tbody", group, types.length + 1, page)));
  table.deleteTFoot();
  table.append(section("tfoot", all, types.length + 1, page));
}

/** A group's rows, their figures not written yet. */
function section(tag, { product, rows }, columns, page) {
  const element = document.createElement(tag);
  for (const { device, name } of rows) {
    const row = element.insertRow();
    if (product !== undefined && product !== null) row.dataset.product = product;
    row.dataset.device = device ?? "unknown";
    const isWhole = device === "";
    const cell = header(isWhole ? "rowgroup" : "row", name);
    // no filter picks what has no value
    const picked = { ...(product && { product }), ...(device && { site_version: device }) };
    const whole = isWhole || (device && product !== null && (product !== undefined || tag === "tfoot"));
    if (whole && Object.keys(picked).length) cell.replaceChildren(picker(name, () => page.choose(page.toggleAll(picked))));
    if (isWhole && tag === "tbody") {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = product === undefined ? GREY : groupColor("product", product);
      cell.prepend(swatch);
    }
    row.append(cell);
    for (let i = 0; i < columns; i++) row.insertCell();
  }
  return element;
}

function header(scope, text) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}
