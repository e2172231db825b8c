// The table of a range's parts. While its rows stay the same only its figures are written anew.

import * as format from "./format.js";
import { productColor } from "./palette.js";

const card = document.getElementById("parts");
const table = card.querySelector("table");
let drawn = null;

/** What parts.js made of the figures. */
export function showParts({ types, groups, all }) {
  const rows = [...groups, all].flatMap((group) => group.rows.map((row) => ({ ...row, product: group.product })));
  const shape = JSON.stringify([types.map(({ key }) => key), rows.map((row) => [row.product, row.device, row.name])]);
  if (shape !== drawn) build({ types, groups, all });
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
  cell.title = figure === null ? "Nobody has counted these together" : "";
}

function build({ types, groups, all }) {
  const head = table.tHead.rows[0];
  head.replaceChildren(
    ...["Product and device", ...types.map(({ name }) => name), "Users"].map((name) => header("col", name)),
  );
  for (const body of [...table.tBodies]) body.remove();
  table.tHead.after(...groups.map((group) => section("tbody", group, types.length + 1)));
  table.deleteTFoot();
  table.append(section("tfoot", all, types.length + 1));
}

/** A group's rows, their figures not written yet. */
function section(tag, { product, rows }, columns) {
  const element = document.createElement(tag);
  for (const { device, name } of rows) {
    const row = element.insertRow();
    if (product !== undefined && product !== null) row.dataset.product = product;
    row.dataset.device = device ?? "unknown";
    const isWhole = device === "";
    const cell = header(isWhole ? "rowgroup" : "row", name);
    if (isWhole && product) {
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = productColor(product);
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
