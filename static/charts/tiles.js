// The figures of today, and those of the chosen range.

import * as format from "./format.js";
import { daysOf } from "./moments.js";
import { addDays } from "./range.js";

const ZERO = { banner_show: 0, banner_click: 0, order: 0, amount: {} };

/** Writes a tile's figure, with all its digits for who asks. */
export function showFigure(name, text, full) {
  const element = document.querySelector(`[data-figure="${name}"]`);
  if (element.textContent !== text) element.textContent = text;
  const more = full && full !== text ? full : null;
  element.title = more ?? "";
  element.ariaLabel = more;
}

/** Writes what stands beneath a tile's figure. */
export function showNote(name, text) {
  for (const element of document.querySelectorAll(`[data-note="${name}"]`)) {
    if (element.textContent !== text) element.textContent = text;
  }
}

/** `now` is today's row of /api/daily, `before` the sums of yesterday until this time; null where there are none. */
export function showTiles(now, before) {
  now ??= ZERO;
  const versus = (part, all) => {
    if (!before) return "\u00a0";
    const [is, was] = all ? [now[part] / now[all], before[part] / before[all]] : [now[part], before[part]];
    const words = all ? format.percent(before[part], before[all]) : format.compact(before[part]);
    if (!(was > 0)) return "vs none";
    return Number.isFinite(is) ? `${format.change(is, was)} vs ${words}` : `vs ${words}`;
  };

  format.writeDigits(document.querySelector('[data-figure="orders-today"]'), now.order);
  say(`${format.count(now.order)} orders today`);
  showNote("orders-today", versus("order"));
  for (const [name, key] of [
    ["shows-today", "banner_show"],
    ["clicks-today", "banner_click"],
  ]) {
    showFigure(name, format.compact(now[key]), format.count(now[key]));
    showNote(name, versus(key));
  }
  showFigure("click-rate-today", format.percent(now.banner_click, now.banner_show));
  showNote("click-rate-today", versus("banner_click", "banner_show"));
  showFigure("conversion-today", format.percent(now.order, now.banner_click));
  showNote("conversion-today", versus("order", "banner_click"));
  showRevenue(now.amount, before?.amount);
}

/** `totals` of /api/totals for a range, with `compared` {events, versus} where they are compared. */
export function showRange({ events, users, pending, compared }, range, zone) {
  const { banner_show: shows, banner_click: clicks, order: orders } = events;
  for (const [name, figure] of Object.entries({ users, shows, clicks, orders })) {
    showFigure(name, format.compact(figure), format.count(figure));
  }
  const all = Object.values(events).reduce((sum, figure) => sum + figure, 0);
  showNote("shows", shows ? `${format.percent(shows, all)} of all events` : "");
  showNote("clicks", clicks ? `${format.percent(clicks, shows)} of shows` : "");
  showNote("orders", orders ? `${format.percent(orders, clicks)} of clicks` : "");
  if (compared) {
    const { events: before, versus } = compared;
    for (const [name, key] of [
      ["shows", "banner_show"],
      ["clicks", "banner_click"],
      ["orders", "order"],
    ]) {
      showNote(name, `${format.change(events[key], before[key])} ${versus}`);
    }
  }
  showNote("pending", pending ? pendingWords(pending, range, zone) : "");
}

/** Which users are stored and not counted yet. `pending` is a closed range of times, some perhaps beyond the days. */
function pendingWords(pending, range, zone) {
  const [first, last] = [pending.from, pending.to].map((time) => format.dayOf(new Date(time), zone));
  const days = daysOf(range, zone);
  const from = first > days.from ? first : days.from;
  const to = last < days.to ? addDays(last, 1) : days.to;
  // what lags may be none of the range's days
  if (from >= to) return "";
  return `Users of ${format.dayRange(from, to)} still being counted.`;
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
  if (!before) return showNote("revenue-today", "\u00a0");
  const was = Object.entries(before).map(([currency, amount]) => format.moneyShort(amount, currency));
  showNote("revenue-today", `vs ${was.join(", ") || "none"}`);
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
