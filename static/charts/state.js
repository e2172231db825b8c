// What the page's address says beside the range: section, filters, comparison and zone. No document in here.

import { addDays, daysBetween, isTimed, later, lengthOf } from "./range.js";

export const SECTIONS = [
  { key: "live", name: "Live" },
  { key: "trends", name: "Trends" },
  { key: "sales", name: "Sales" },
  { key: "funnel", name: "Funnel" },
  { key: "windows", name: "Windows" },
  { key: "data", name: "Data" },
  { key: "pipeline", name: "Pipeline" },
];

/** The sections that show now and all there is, whatever the range. */
export const UNRANGED = ["live", "data", "pipeline"];

export const COMPARISONS = [
  { key: "off", name: "Nothing" },
  { key: "previous", name: "Previous period" },
  { key: "year", name: "A year before" },
];

/** The sections in which a comparison means something. */
export const COMPARING = ["trends", "sales", "funnel"];

/** What figures can be filtered by, as the API names it: all that an address may hold of these is a filter. */
export const DIMENSIONS = [
  "event_type",
  "product",
  "site_version",
  "source",
  "user_id",
  "session_id",
  "page_id",
  "order_id",
  "product_id",
  "product_name",
  "brand",
  "category",
  "currency",
  "status",
  "payment_method",
  "order_type",
  "country",
  "state",
  "city",
  "traffic_source",
  "device",
  "os",
  "gender",
  "age_group",
  "membership_level",
  "region",
  "screen_size",
  "display_type",
  "resolution",
  "import_id",
];

/**
 * The state of an address: {section, compare, tz, filters}. `compare` is off, previous or year; `tz` is null for the
 * shop's zone; `filters` has for each filtered dimension the values that pass. What an address lacks, or has wrong, is
 * the default.
 */
export function readState(search) {
  const query = new URLSearchParams(search);
  const filters = {};
  for (const name of DIMENSIONS) {
    const values = query.getAll(name);
    if (values.length) filters[name] = [...new Set(values)];
  }
  const known = (list, value) => list.find(({ key }) => key === value)?.key ?? list[0].key;
  return {
    section: known(SECTIONS, query.get("section")),
    compare: known(COMPARISONS, query.get("compare")),
    tz: query.get("tz") || null,
    filters,
  };
}

/**
 * The address' query after a change, all else kept: names of parameters with their new value, a list of values, or null
 * for none. What is the default is left out. The first address is "/", so that links and pushState take it.
 */
export function writeState(search, change) {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    query.delete(name);
    const isDefault =
      (name === "section" && value === SECTIONS[0].key) || (name === "compare" && value === COMPARISONS[0].key);
    if (!isDefault) for (const one of [value ?? []].flat()) query.append(name, one);
  }
  return query.size ? `?${query}` : "/";
}

/** The change that sets the filters of dimensions to a value each, or takes them off where they are just that. */
export function toggledAll(filters, values) {
  const are = Object.entries(values).every(([name, value]) => filters[name]?.length === 1 && filters[name][0] === value);
  return are ? Object.fromEntries(Object.keys(values).map((name) => [name, null])) : { ...values };
}

/** The same for one dimension. */
export const toggled = (filters, dimension, value) => toggledAll(filters, { [dimension]: value });

/** The change that takes one value of a filter off. */
export function without(filters, dimension, value) {
  return { [dimension]: (filters[dimension] ?? []).filter((one) => one !== value) };
}

/** The change that takes all filters off. */
export const unfiltered = (filters) => Object.fromEntries(Object.keys(filters).map((name) => [name, null]));

const yearBefore = (day) => {
  const before = `${Number(day.slice(0, 4)) - 1}${day.slice(4)}`;
  // the 29th of February has none
  return before.slice(4, 10) === "-02-29" ? `${before.slice(0, 8)}28${before.slice(10)}` : before;
};

/** The range that a range is compared with; null where nothing is. */
export function comparedRange({ from, to }, compare) {
  if (compare === "previous") return neighbour({ from, to }, -1);
  if (compare === "year") return { from: yearBefore(from), to: yearBefore(to) };
  return null;
}

/** The range as long as this one that begins where it ends (1), or ends where it begins (-1). */
export function neighbour({ from, to }, by) {
  if (isTimed(from)) {
    const length = by * lengthOf({ from, to });
    return { from: later(from, length), to: later(to, length) };
  }
  const days = by * daysBetween(from, to);
  return { from: addDays(from, days), to: addDays(to, days) };
}
