// The newest events, one a row, newest first.

import { picker } from "./card.js";
import * as format from "./format.js";
import { eventType, title } from "./palette.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const body = document.querySelector("#latest tbody");
let first = true;

/** `rows` of /api/latest; rows that are shown already stay as they are. A click on a value filters the page by it. */
export function showLatest(rows, { zone, today }, page) {
  const shown = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  body.replaceChildren(
    ...rows.map((event) => {
      const known = shown.get(event.event_id);
      if (known?.dataset.today === today) return known;
      const row = eventRow(event, zone, today, page);
      if (!first && !known && !calm.matches) row.className = "new";
      return row;
    }),
  );
  // moved rows lose the focus
  if (focused?.isConnected) focused.focus({ preventScroll: true });
  first = false;
}

function eventRow(event, zone, today, page) {
  const type = eventType(event.event_type);
  const row = document.createElement("tr");
  row.dataset.id = event.event_id;
  row.dataset.today = today;
  const time = document.createElement("time");
  time.dateTime = event.occurred_at;
  time.textContent = format.moment(new Date(event.occurred_at), zone, today, { seconds: true });
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = type.color;
  const what = document.createElement("span");
  // what is picked when it is clicked, for the row stays while filters change
  const pick = (name, words) => (event[name] ? picker(words, () => page.choose(page.toggle(name, event[name]))) : "–");
  what.append(swatch, pick("event_type", type.one));
  const visitor = event.user_id ?? "";
  const cells = [
    time,
    what,
    pick("product", title(event.product ?? "")),
    pick("site_version", title(event.site_version ?? "")),
    pick("user_id", format.shortId(visitor)),
    pick("source", event.source),
  ];
  cells.forEach((cell, i) => {
    const element = row.insertCell();
    element.append(cell);
    if (i === 4) element.title = visitor;
  });
  return row;
}
