// Compares what is kept with a recount of the rows, which comes as psql writes it.

/** Columns of amounts of currencies, which come as JSON. */
export const AMOUNTS = ["amount", "average_order", "average_price"];

/** The same text for the same value, however it is written: numbers, moments, amounts of currencies. */
function canonical(column, value) {
  if (value === null || value === undefined) return null;
  if (typeof value === "object") {
    const amounts = Object.entries(value).map(([currency, amount]) => [currency, canonical("", amount)]);
    return JSON.stringify(amounts.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  const text = String(value);
  if (AMOUNTS.includes(column)) return canonical("", JSON.parse(text));
  // an average has as many digits as its engine gives it
  if (column.endsWith("_seconds")) return Number(text).toFixed(6);
  if (isMoment(text)) return moment(text);
  return /^-?\d+\.\d+$/.test(text) ? text.replace(/\.?0+$/, "") : text;
}

const MOMENT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)$/;
const isMoment = (text) => MOMENT.test(text);

/** A moment as PostgreSQL or the API writes it, in UTC to the microsecond. */
export function moment(text) {
  const [, day, time, fraction = "", offset] = MOMENT.exec(text);
  const [, sign, hours, minutes = "0", seconds = "0"] = /^([+-])(\d\d):?(\d\d)?(?::(\d\d))?$/.exec(offset) ?? [
    null,
    "+",
    "0",
  ];
  const away = (sign === "-" ? -1 : 1) * (hours * 3_600 + minutes * 60 + Number(seconds));
  const utc = new Date(Date.parse(`${day}T${time}Z`) - away * 1_000);
  return `${utc.toISOString().slice(0, 19)}.${fraction.padEnd(6, "0")}Z`;
}

/** What is as good as no row at all. */
const isNothing = (text) => text === null || text === "0" || text === "[]";

const isNumber = (text) => text !== null && /^-?\d+(\.\d+)?$/.test(text);
const between = (low, value, high) =>
  [low, value, high].every(isNumber) &&
  Math.min(Number(low), Number(high)) <= Number(value) &&
  Number(value) <= Math.max(Number(low), Number(high));

/**
 * Compares rows, which are objects by column. `recounted` was counted after `before` was read and before `after` was;
 * what is equal to one of these, or lies between them, is equal. `key` names the columns that name a row. Columns that
 * a kept row does not have are not compared, rows of zeros are as good as none. With `partly` only rows that were
 * recounted are compared.
 *
 * Gives {rows, equal, moved, cells}: how many rows were compared and are equal, whether the kept ones have changed
 * meanwhile, and all cells of rows that differ, or all of them with `all`: {row, column, before, after, recounted, same}.
 */
export function compare({ key, columns, recounted, before, after, partly = false, all = false }) {
  const nameOf = (row) =>
    JSON.stringify(key.map((column) => canonical(AMOUNTS.includes(column) ? "" : column, row[column])));
  const index = (rows) => new Map(rows.map((row) => [nameOf(row), row]));
  const [counted, first, last] = [recounted, before, after].map(index);
  const result = { rows: 0, equal: 0, moved: false, cells: [] };
  for (const name of new Set(partly ? counted.keys() : [...counted.keys(), ...first.keys(), ...last.keys()])) {
    const kept = last.get(name) ?? first.get(name);
    const cells = columns
      .filter((column) => !kept || kept[column] !== undefined)
      .map((column) => {
        const [now, was, is] = [counted, first, last].map((rows) => canonical(column, rows.get(name)?.[column]));
        const alike = (a, b) => a === b || (isNothing(a) && isNothing(b));
        if (!alike(was, is)) result.moved = true;
        return {
          row: JSON.parse(name),
          column,
          before: first.get(name)?.[column] ?? null,
          after: last.get(name)?.[column] ?? null,
          recounted: counted.get(name)?.[column] ?? null,
          same: alike(now, was) || alike(now, is) || between(was, now, is),
          nothing: [now, was, is].every(isNothing),
        };
      });
    if (cells.every(({ nothing }) => nothing) && key.length) continue;
    const same = cells.every((cell) => cell.same);
    result.rows += 1;
    result.equal += same ? 1 : 0;
    if (all) result.cells.push(...cells);
    else if (!same) result.cells.push(...cells.filter((cell) => !cell.same));
  }
  return result;
}

/** part / all in per cent to two digits, exactly and rounded as PostgreSQL rounds; null without a whole. */
export function percentOf(part, all) {
  if (!all) return null;
  const [n, d] = [BigInt(part) * 10_000n, BigInt(all)];
  const hundredths = String((2n * n + d) / (2n * d)).padStart(3, "0");
  return `${hundredths.slice(0, -2)}.${hundredths.slice(-2)}`;
}
