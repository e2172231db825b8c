// What the section of windows shows, as it stands in the page's address: kind=hopping&size=1h&advance=30m.

import { lengthOf as rangeLength } from "./range.js";

export const KINDS = ["tumbling", "hopping", "session"];
const SIZES = {
  tumbling: ["1m", "15m", "1h", "1d", "1w", "1mo"],
  hopping: ["15m", "1h", "24h", "1w", "3mo"],
};
const ADVANCES = ["30s", "1m", "5m", "15m", "30m", "1h", "6h", "12h", "1d", "1w", "1mo"];
const GAPS = ["1m", "10m", "30m", "1h", "24h"];
const FIELDS = ["size", "advance", "gap", "group", "figure"];

const UNITS = {
  s: ["clock", 1],
  m: ["clock", 60],
  h: ["clock", 3_600],
  d: ["days", 1],
  w: ["days", 7],
  mo: ["months", 1],
};

/** What a length like 15m is counted in, and how many of it; null where it is none. The server has the last word. */
function lengthOf(text) {
  const [, count, unit] = /^(\d+)(s|m|h|d|w|mo)$/.exec(text ?? "") ?? [];
  return unit ? { base: UNITS[unit][0], length: count * UNITS[unit][1] } : null;
}

/** The choice of an address; null for what it leaves open. */
export function readChoice(search) {
  const query = new URLSearchParams(search);
  const fields = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) || null]));
  return { ...fields, kind: query.get("kind") || "tumbling" };
}

/** The address' query after a change; what the change leaves without meaning goes. */
export function writeChoice(search, change) {
  const query = new URLSearchParams(search);
  const set = (name, value) => (value ? query.set(name, value) : query.delete(name));
  for (const [name, value] of Object.entries(change)) set(name, value);
  // another size has other advances that suit it
  if (change.kind || change.size) query.delete("advance");
  if (change.kind) {
    if (!SIZES[change.kind]?.includes(query.get("size"))) query.delete("size");
    if (change.kind === "session") for (const name of ["group", "figure"]) query.delete(name);
    else query.delete("gap");
  }
  return query.size ? `?${query}` : "/";
}

/** A size that gives a chart of the range some hundred windows at the most. */
function sizeFor(kind, range) {
  const days = rangeLength(range) / 86_400_000;
  if (days <= 1 / 8) return kind === "hopping" ? "15m" : "1m";
  if (days <= 3) return "1h";
  if (kind === "hopping") return days <= 31 ? "24h" : days <= 366 ? "1w" : "3mo";
  return days <= 214 ? "1d" : days <= 1461 ? "1w" : "1mo";
}

/** Advances that suit a size, the size itself only where there is no other. */
export function advancesOf(size) {
  const { base, length } = lengthOf(size) ?? {};
  const suiting = ADVANCES.filter((text) => {
    const advance = lengthOf(text);
    return advance.base === base && advance.length < length && 60 * advance.length >= length;
  });
  return suiting.length || !base ? suiting : [size];
}

function advanceFor(size) {
  const { length } = lengthOf(size) ?? {};
  const suiting = advancesOf(size);
  return suiting.findLast((text) => 2 * lengthOf(text).length <= length) ?? suiting.at(-1) ?? null;
}

/** The choice with all that it leaves open decided for a range, but for the gap: that is the shop's. */
export function decided(choice, range) {
  const { kind } = choice;
  if (kind === "session") return { kind, gap: choice.gap, group: null, figure: "events", size: null, advance: null };
  const size = choice.size ?? sizeFor(kind, range);
  return {
    kind,
    size,
    advance: kind === "hopping" ? (choice.advance ?? advanceFor(size)) : null,
    gap: null,
    group: choice.group === "none" ? null : choice.group,
    figure: choice.figure === "orders" ? "orders" : "events",
  };
}

/** Parameters of /api/windows for a decided choice. */
export function questionOf({ kind, size, advance, gap, group }) {
  return { kind, size, advance, gap, group_by: group };
}

/** What is offered beside the fields. */
export function offers({ kind, size }) {
  return { size: SIZES[kind] ?? [], advance: kind === "hopping" ? advancesOf(size) : [], gap: GAPS };
}

/** How many windows a moment lies in, about. */
export function overlap({ kind, size, advance }) {
  if (kind !== "hopping") return 1;
  const [whole, step] = [lengthOf(size), lengthOf(advance)];
  return whole && step ? Math.max(1, whole.length / step.length) : 1;
}

const WORDS = { s: "second", m: "minute", h: "hour", d: "day", w: "week", mo: "month" };

/** "15m" in words; a text that is no length stays as it is. */
export function lengthInWords(text) {
  const [, count, unit] = /^(\d+)(\D+)$/.exec(text ?? "") ?? [];
  return WORDS[unit] ? `${count} ${WORDS[unit]}${count === "1" ? "" : "s"}` : String(text);
}

/** The field that a problem of the server is about: its detail begins with the name, or names it in quotes. */
export function fieldOf(detail) {
  const [, name] = /^(?:parameter ")?(size|advance|gap|group_by|kind)\b/.exec(detail) ?? [];
  return name ? name.replace("group_by", "group") : null;
}
