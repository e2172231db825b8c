// "SQL" beside each figure: the plain query on the rows, and the recount that it gives beside what is kept.

import { read } from "./api.js";
import { figureOf } from "./figures.js";
import * as format from "./format.js";
import { eventType, title as titleOf } from "./palette.js";
import { AMOUNTS, compare } from "./recount.js";

// longer than the server takes at the most
const PATIENCE = 40_000;
// rows of a comparison that are shown
const MOST_SHOWN = 50;

const dialog = document.getElementById("sql");
const heading = document.getElementById("sql-title");
const text = document.getElementById("sql-text");
const runButton = document.getElementById("sql-run");
const said = document.getElementById("sql-said");
const verdict = document.getElementById("sql-verdict");

const NAMES = {
  amount: "Revenue",
  users: "Users",
  events: "Events",
  orders: "Orders",
  sessions: "Sessions",
  left: "Came no further",
  with_order: "Sessions with an order",
  mean_seconds: "Mean length in s",
  median_seconds: "Median length in s",
  click_through_rate: "Click-through rate in %",
  conversion_rate: "Conversion in %",
  p50_ms: "Median in ms",
  p95_ms: "95 of 100 within ms",
  p99_ms: "99 of 100 within ms",
  sold: "Sold",
  failed: "Failed",
  units: "Pieces",
  average_order: "Average order",
  average_price: "Average price",
};
const TYPED = ["banner_show", "banner_click", "order", "page_view", "product_view", "cart", "cart_remove"];
const nameOf = (column) => NAMES[column] ?? (TYPED.includes(column) ? eventType(column).name : titleOf(column));

/** Lets every SQL button open the dialog. `page()` says what the page is at: {today, range, windows, narrowed}; see figures.js. */
export function offerSql(page) {
  let figure = null;
  let work = new AbortController();
  let running = null;

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-sql]");
    if (!button) return;
    stop();
    work = new AbortController();
    const { signal } = work;
    figure = null;
    heading.textContent = button.getAttribute("aria-label");
    text.textContent = "";
    verdict.replaceChildren();
    runButton.disabled = true;
    runButton.textContent = "Run it";
    say("Reading the query…");
    dialog.showModal();
    try {
      const asked = figureOf(button.dataset.sql, page());
      const { sql, timeout_seconds } = await read(`/api/sql/${asked.query}`, asked.parameters, signal);
      figure = asked;
      heading.textContent = asked.title;
      text.textContent = sql.trimEnd();
      runButton.disabled = false;
      runButton.focus();
      say(`Run it to count the rows anew, read-only and for ${timeout_seconds} s at most.`);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
  });

  runButton.addEventListener("click", async () => {
    const { signal } = work;
    if (signal === running) return;
    // not disabled, which would take the focus away
    running = signal;
    verdict.replaceChildren();
    say("Counting the rows…");
    try {
      await run(figure, signal);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    if (signal === running) running = null;
    if (!signal.aborted) runButton.textContent = "Run it again";
  });

  const stop = () => work.abort(new DOMException("closed", "AbortError"));
  // it is told late: the dialog may be open again, and for another figure
  dialog.addEventListener("close", () => dialog.open || stop());
}

function say(words) {
  said.classList.remove("wrong");
  said.textContent = words;
}

function failed(error) {
  if (error.reason === undefined) console.error(error);
  said.classList.add("wrong");
  const reason = String(error.reason ?? error);
  said.textContent = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
}

async function run(figure, signal) {
  if (!figure.kept) return runAlone(figure, signal);
  const before = await figure.kept(signal);
  const { columns, rows, elapsed_ms, more } = await read(
    `/api/sql/${figure.query}/run`,
    figure.parameters,
    signal,
    PATIENCE,
  );
  const after = await figure.kept(signal);
  const objects = rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])));
  const recounted = figure.fold ? figure.fold(objects) : objects;
  const single = figure.key.length === 0;
  const result = compare({ ...figure, recounted, before, after, partly: more, all: single });
  const equal = result.equal === result.rows;

  const words = [`Counted in ${elapsed_ms < 1_000 ? `${elapsed_ms} ms` : format.length(elapsed_ms / 1_000)}.`];
  if (more) words.push(`Compared are its first ${format.count(rows.length)} rows.`);
  else if (figure.most === rows.length) words.push(`Compared are the first ${format.count(rows.length)} rows.`);
  if (result.moved) {
    words.push(
      equal
        ? "Events went on arriving meanwhile: what was kept before and after frames the recount."
        : "Events went on arriving meanwhile, which may be why: run it again.",
    );
  } else if (!equal) {
    const pending = await pendingOf(figure, signal);
    if (pending) words.push("Users or sessions of some days are still being counted: run it again when they are.");
  }
  say(words.join(" "));
  const sign = document.createElement("p");
  sign.className = `sign ${equal ? "equal" : "differs"}`;
  sign.textContent = equal ? "= equal" : "≠ differs";
  if (!single) {
    sign.textContent += result.rows
      ? `: ${format.count(result.equal)} of ${format.count(result.rows)} ${result.rows === 1 ? "row is" : "rows are"} the same`
      : ": no rows on either side";
  }
  verdict.replaceChildren(sign);
  if (result.cells.length) verdict.append(comparison(result.cells, single, figure.key));
}

/** A query whose answer is of the moment, so that there is nothing to compare it with. */
async function runAlone({ query, parameters }, signal) {
  const { columns, rows, elapsed_ms } = await read(`/api/sql/${query}/run`, parameters, signal, PATIENCE);
  say(`Counted in ${elapsed_ms} ms. The figure on the page is of another moment, so they are not compared.`);
  const { box, table } = rowsBox("Counted now");
  const head = table.createTHead().insertRow();
  for (const column of columns) head.append(th("col", nameOf(column)));
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((value, i) => (line.insertCell().textContent = shown(columns[i], value)));
  }
  verdict.replaceChildren(box);
}

function rowsBox(label) {
  const box = document.createElement("div");
  box.className = "rows";
  box.tabIndex = 0;
  box.role = "group";
  box.ariaLabel = label;
  return { box, table: box.appendChild(document.createElement("table")) };
}

/** What lags is not wrong. */
async function pendingOf({ columns, parameters }, signal) {
  if (!columns.includes("users") && !columns.includes("sessions")) return false;
  const { from, to } = parameters;
  return (await read("/api/totals", { from, to }, signal)).pending;
}

function comparison(cells, single, key) {
  const { box, table } = rowsBox("Kept and recounted");
  const head = table.createTHead().insertRow();
  for (const name of [...(single ? [] : key.map(nameOf)), "Figure", "Kept", "Recounted", ""])
    head.append(th("col", name));
  const body = table.createTBody();
  for (const { row, column, before, after, recounted, same } of cells.slice(0, MOST_SHOWN)) {
    const line = body.insertRow();
    if (!single) for (const value of row) line.insertCell().textContent = value ?? "not stated";
    line.append(th("row", nameOf(column)));
    const [was, is] = [before, after].map((value) => shown(column, value));
    line.insertCell().textContent = was === is ? is : `${was} → ${is}`;
    line.insertCell().textContent = shown(column, recounted);
    const sign = line.insertCell();
    sign.className = same ? "equal" : "differs";
    sign.textContent = same ? "= equal" : "≠ differs";
  }
  if (cells.length > MOST_SHOWN) {
    const rest = table.createTFoot().insertRow().insertCell();
    rest.colSpan = 4 + key.length;
    rest.textContent = `and ${format.count(cells.length - MOST_SHOWN)} more`;
  }
  return box;
}

/** A value as people read it, whichever side it comes from. */
function shown(column, value) {
  if (value === null || value === undefined) return "–";
  if (AMOUNTS.includes(column)) {
    const amounts = Object.entries(typeof value === "string" ? JSON.parse(value) : value);
    return amounts.map(([currency, amount]) => format.money(amount, currency)).join(", ") || "–";
  }
  if (column.endsWith("_seconds")) return Number(value).toFixed(6);
  return /^\d+$/.test(value) && !column.endsWith("_id") ? format.count(value) : String(value);
}

function th(scope, words) {
  const element = document.createElement("th");
  element.scope = scope;
  element.textContent = words;
  return element;
}
