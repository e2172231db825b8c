// The parts of a range: each product, and each product on each device.

import { EVENT_TYPES, SHOP_PRODUCTS, title } from "./palette.js";

// the others share one group, whose users nobody has counted together
const MOST = 8;
const DEVICES = ["desktop", "mobile", "tablet", null];
const ALWAYS = ["banner_show", "banner_click", "order"];

const sumOf = (row) => EVENT_TYPES.reduce((sum, { key }) => sum + row[key], 0);

/** A row made of each event type's figure; users cannot be summed, so there are none. */
const made = (figure) => ({ ...Object.fromEntries(EVENT_TYPES.map(({ key }) => [key, figure(key)])), users: null });
const ZERO = { ...made(() => 0), users: 0 };
const added = (rows) => made((key) => rows.reduce((sum, row) => sum + row[key], 0));
/** Of several reads of figures that grow: never less than nothing. */
const left = (row, parts) =>
  made((key) =>
    Math.max(
      0,
      parts.reduce((rest, part) => rest - part[key], row[key]),
    ),
  );

/**
 * The event types that have a column, and groups of rows: one a product and one of all products, each with a row of
 * all devices and then one for each device that there is in the range.
 *
 * `products` and `devices` are rows of /api/breakdown by product and by site_version, `onDevice` the former of each
 * device: [device, rows]. `total` is a row of the whole range. Users of a row are null where they are not known.
 */
export function parts({ products, devices, onDevice, total }) {
  const types = EVENT_TYPES.filter(({ key }) => total[key] > 0 || ALWAYS.includes(key));
  const present = DEVICES.filter((device) => devices.some((row) => row.value === device && sumOf(row) > 0));
  const group = (product, name, all, rowOf) => {
    const known = present.map(rowOf).filter((row) => row);
    const rows = present.map((device) => ({
      device,
      name: device === null ? "Not stated" : title(device),
      figures: rowOf(device) ?? left(all, known),
    }));
    return { product, rows: [{ device: "", name, figures: all }, ...rows] };
  };
  // no filter picks what has no value
  const cell = (product, device) =>
    device === null
      ? undefined
      : (onDevice.find(([one]) => one === device)?.[1].find((row) => row.value === product) ?? ZERO);
  const cells = (rows, device) => (device === null ? undefined : added(rows.map(({ value }) => cell(value, device))));

  const place = ({ value }) => SHOP_PRODUCTS.indexOf(value) + 1 || SHOP_PRODUCTS.length + 1;
  const happened = products.filter((row) => sumOf(row) > 0).sort((a, b) => sumOf(b) - sumOf(a));
  const own = happened.slice(0, happened.length > MOST ? MOST - 1 : MOST).sort((a, b) => place(a) - place(b));
  const others = happened.filter((row) => !own.includes(row));
  const groups = own.map((row) =>
    group(row.value, row.value === null ? "No product" : title(row.value), row, (device) => cell(row.value, device)),
  );
  if (others.length) {
    groups.push(group(undefined, `${others.length} others`, added(others), (device) => cells(others, device)));
  }
  const all = group("", "All products", total, (device) => devices.find((row) => row.value === device));
  return { types, groups, all };
}
