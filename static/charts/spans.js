// Rows of /api/windows as what a chart draws: windows, each with its figure by group.

/** Groups that get a bar of their own; what is left is told as others. */
const MOST = 8;

/**
 * The windows of rows in their order: {start, end, parts, total} with times in milliseconds, and `groups`, whose
 * figures `parts` has: [{value, sum}], the largest first, and last the others with their number as `others`.
 *
 * `cut` says whether there are rows {before, after} these: groups of the first or the last window may be missing then,
 * so it is left out, unless there is no other (`torn`).
 */
export function spans(rows, figure, cut = {}) {
  const all = [];
  for (const row of rows) {
    const last = all.at(-1);
    if (last?.window_start === row.window_start && last.window_end === row.window_end) last.rows.push(row);
    else all.push({ window_start: row.window_start, window_end: row.window_end, rows: [row] });
  }
  const grouped = rows.some((row) => row.group !== null) || all.some((window) => window.rows.length > 1);
  const whole = grouped ? all.slice(cut.before ? 1 : 0, cut.after ? -1 : undefined) : all;
  const torn = all.length > 0 && whole.length === 0;
  const drawn = torn ? all : whole;

  const sums = new Map();
  for (const window of drawn) {
    for (const row of window.rows) sums.set(row.group, (sums.get(row.group) ?? 0) + row[figure]);
  }
  const ranked = [...sums].map(([value, sum]) => ({ value, sum })).sort((a, b) => b.sum - a.sum);
  const own = ranked.slice(0, ranked.length > MOST ? MOST - 1 : MOST);
  const rest = ranked.slice(own.length);
  const groups = rest.length
    ? [...own, { others: rest.length, sum: rest.reduce((sum, group) => sum + group.sum, 0) }]
    : own;
  const places = new Map(own.map(({ value }, i) => [value, i]));
  return {
    grouped,
    torn,
    groups,
    windows: drawn.map((window) => {
      const parts = groups.map(() => 0);
      for (const row of window.rows) parts[places.get(row.group) ?? own.length] += row[figure];
      return {
        start: Date.parse(window.window_start),
        end: Date.parse(window.window_end),
        parts,
        total: parts.reduce((sum, part) => sum + part, 0),
      };
    }),
  };
}

const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** A text that a spreadsheet would run as a formula gets an apostrophe; numbers stay as they are. */
const inert = (cell) => (/^[=+\-@\t\r]/.test(cell) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? `'${cell}` : cell);

/** Rows of /api/windows as CSV (RFC 4180), a column a currency. */
export function csv(rows) {
  const currencies = [...new Set(rows.flatMap((row) => Object.keys(row.amount)))].sort();
  const lines = [
    ["window_start", "window_end", "group", "events", "orders", ...currencies.map((currency) => `amount_${currency}`)],
    ...rows.map((row) => [
      row.window_start,
      row.window_end,
      row.group ?? "",
      row.events,
      row.orders,
      ...currencies.map((currency) => row.amount[currency] ?? ""),
    ]),
  ];
  return csvLines(lines);
}

/** Lines of cells as CSV (RFC 4180), without formulas: texts come from outside. */
export const csvLines = (lines) =>
  lines.map((line) => `${line.map((cell) => quoted(inert(String(cell ?? "")))).join(",")}\r\n`).join("");
