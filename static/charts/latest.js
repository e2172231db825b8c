// The newest events, one a row, newest first.

import * as format from "./format.js";
import { eventType, title } from "./palette.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const body = document.querySelector("#latest tbody");
let first = true;

/** `rows` of /api/latest; rows that are shown already stay as they are. */
export function showLatest(rows, { zone, today }) {
  const shown = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  body.replaceChildren(
    ...rows.map((event) => {
      const known = shown.get(event.event_id);
      if (known?.dataset.today === today) return known;
      const row = eventRow(event, zone, today);
      if (!first && !known && !calm.matches) row.className = "new";
      return row;
    }),
  );
  first = false;
}

function eventRow(event, zone, today) {
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
  what.append(swatch, type.one);
  const visitor = event.user_id ?? "";
  const cells = [
    time,
    what,
    event.product ? title(event.product) : "–",
    event.site_version ? title(event.site_version) : "–",
    visitor.length > 12 ? `${visitor.slice(0, 8)}…` : visitor,
    event.source ?? "–",
  ];
  cells.forEach((cell, i) => {
    const element = row.insertCell();
    element.append(cell);
    if (i === 4) element.title = visitor;
  });
  return row;
}
