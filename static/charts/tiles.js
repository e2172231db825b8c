// The figures of today.

import * as format from "./format.js";

const ZERO = { banner_show: 0, banner_click: 0, order: 0, amount: {} };

function write(name, text, full) {
  const element = document.querySelector(`[data-figure="${name}"]`);
  if (element.textContent !== text) element.textContent = text;
  element.title = full && full !== text ? full : "";
}

function note(name, text) {
  document.querySelector(`[data-note="${name}"]`).textContent = text;
}

/** `rows` of /api/daily for yesterday and today. */
export function showTiles(rows, today) {
  const now = rows.find((row) => row.day === today) ?? ZERO;
  const before = rows.find((row) => row.day < today) ?? ZERO;

  format.writeDigits(document.querySelector('[data-figure="orders-today"]'), now.order);
  say(`${format.count(now.order)} orders today`);
  note("orders-today", `yesterday ${format.compact(before.order)}`);
  for (const [name, key] of [
    ["shows-today", "banner_show"],
    ["clicks-today", "banner_click"],
  ]) {
    write(name, format.compact(now[key]), format.count(now[key]));
    note(name, `yesterday ${format.compact(before[key])}`);
  }
  write("click-rate-today", format.percent(now.banner_click, now.banner_show));
  note("click-rate-today", `yesterday ${format.percent(before.banner_click, before.banner_show)}`);
  write("conversion-today", format.percent(now.order, now.banner_click));
  note("conversion-today", `yesterday ${format.percent(before.order, before.banner_click)}`);
  showRevenue(now.amount, before.amount);
}

/** A line a currency, largest figures first: sums are never made across. */
function showRevenue(now, before) {
  const lines = Object.entries(now).sort(([, a], [, b]) => b - a);
  if (!lines.length) lines.push(["USD", "0"]);
  const element = document.querySelector('[data-figure="revenue-today"]');
  element.dataset.lines = lines.length;
  element.replaceChildren(
    ...lines.map(([currency, amount]) => {
      const line = document.createElement("span");
      line.textContent = format.moneyShort(amount, currency);
      line.title = format.money(amount, currency);
      return line;
    }),
  );
  const was = Object.entries(before).map(([currency, amount]) => format.moneyShort(amount, currency));
  note("revenue-today", was.length ? `yesterday ${was.join(", ")}` : "yesterday nothing");
}

const BETWEEN_WORDS = 10_000;
const said = document.getElementById("orders-said");
let words = "";
let waiting = null;

/** Tells those who listen to the page, with pauses: the first figure they have heard already. */
function say(text) {
  const known = words;
  words = text;
  if (!known || known === text || waiting) return;
  said.textContent = text;
  waiting = setTimeout(() => {
    waiting = null;
    said.textContent = words;
  }, BETWEEN_WORDS);
}
