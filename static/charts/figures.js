// The figures of the page and how each is recounted: its query of /api/sql, and what is kept in the same form.

import { read, ReadError } from "./api.js";
import { orderedProducts } from "./orders.js";
import { finely, readDevices, readOrders, readProducts } from "./over-time.js";
import { EVENT_TYPES } from "./palette.js";
import { addDays } from "./range.js";
import { moment, percentOf } from "./recount.js";

const TYPES = EVENT_TYPES.map(({ key }) => key);
const LATEST = ["stored_at", "occurred_at", "event_type", "product", "site_version", "user_id", "source"];
const SESSIONS = ["sessions", "users", "events", "with_order", "mean_seconds", "median_seconds"];
const LATEST_ROWS = 50;
/** A recount gives so many rows at the most. */
const MOST_ROWS = 1_000;

const NOTHING = { ...Object.fromEntries(TYPES.map((key) => [key, 0])), amount: {} };

/**
 * The figure of a button: {title, query, parameters, key, columns, kept(signal)}, and `fold(rows)` where the recount is
 * finer than the figure; without `kept`, and what is for comparing with it, where it is of the moment. `page` gives what the page is at: {today, range, resolution, windows, narrowed, by, audience}, see main.js.
 */
export function figureOf(name, page) {
  const { today, range, resolution, windows, narrowed, audience } = page;
  if (!range && !/today$|^latest$|^sales-(live|minutes|hour)$|^(rate|imports|rejected|messages-.*|pending|latency|stored)$/.test(name)) {
    throw new ReadError("", "the figures of the range are not read yet: try again in a moment", true);
  }
  const ofToday = (title, column, kept) => ({
    title: `${title} today`,
    query: "today",
    parameters: narrowed,
    key: [],
    columns: [column],
    fold: (rows) => rows.filter((row) => row.day === today),
    kept: async (signal) => {
      const { rows } = await read("/api/daily", { ...narrowed, from: today, to: addDays(today, 1) }, signal);
      return [{ [column]: kept(rows[0] ?? NOTHING) }];
    },
  });
  const ofRange = (title, column) => ({
    title: `${title} of the range`,
    query: "totals",
    parameters: range,
    key: [],
    columns: [column],
    kept: async (signal) => {
      const { events, users } = await read("/api/totals", range, signal);
      return [{ [column]: { ...events, users }[column] }];
    },
  });
  const parts = (title, parameters) => ({
    title,
    query: "breakdown",
    parameters: { ...parameters, limit: MOST_ROWS },
    key: ["value"],
    columns: [...TYPES, "amount", "users"],
    kept: async (signal) => (await read("/api/breakdown", { ...parameters, limit: MOST_ROWS }, signal)).rows,
  });

  const fine = (title, by, column) => {
    const parameters = { ...finely(range, resolution, by), limit: MOST_ROWS };
    return {
      title,
      query: "windows",
      parameters,
      key: ["window_start", "group"],
      columns: [column],
      most: MOST_ROWS,
      kept: async (signal) => (await read("/api/windows", parameters, signal)).rows,
    };
  };
  const stages = (title, query, parameters) => ({
    title,
    query,
    parameters,
    key: query === "funnel" ? ["stage"] : ["value", "stage"],
    columns: ["events", "users", "left"],
    kept: async (signal) => (await read("/api/funnel", parameters, signal)).rows,
  });

  const ofMessages = (title, column) => ({
    title,
    query: "messages",
    parameters: {},
    key: [],
    columns: [column],
    kept: async (signal) => [(await read("/api/pipeline", {}, signal)).messages],
  });

  const figures = {
    "shows-today": () => ofToday("Shows", "banner_show", (row) => row.banner_show),
    "clicks-today": () => ofToday("Clicks", "banner_click", (row) => row.banner_click),
    "orders-today": () => ofToday("Orders", "order", (row) => row.order),
    "click-rate-today": () =>
      ofToday("Click-through rate", "click_through_rate", (row) => percentOf(row.banner_click, row.banner_show)),
    "conversion-today": () => ofToday("Conversion", "conversion_rate", (row) => percentOf(row.order, row.banner_click)),
    "revenue-today": () => ofToday("Revenue", "amount", (row) => row.amount),
    today: () => parts("Products today", { ...narrowed, by: "product", from: today, to: addDays(today, 1) }),
    users: () => ofRange("Users", "users"),
    shows: () => ofRange("Shows", "banner_show"),
    clicks: () => ofRange("Clicks", "banner_click"),
    orders: () => ofRange("Orders", "order"),
    "orders-chart": () => (resolution ? fine("Orders by product", "product", "orders") : ordersByProduct(range)),
    daily: () => (resolution ? fine("Events by type", "event_type", "events") : {
      title: "Events a day",
      query: "daily",
      parameters: range,
      key: ["day"],
      columns: [...TYPES, "amount"],
      kept: async (signal) => (await read("/api/daily", range, signal)).rows,
    }),
    play: () => figures.daily(),
    devices: () => parts("Devices", { by: "site_version", ...range }),
    "trends-heatmap": () => ({
      title: "Hours of the week",
      query: "heatmap",
      parameters: range,
      key: ["weekday", "hour"],
      columns: [...TYPES, "amount"],
      kept: async (signal) => (await read("/api/heatmap", range, signal)).rows,
    }),
    "trends-devices": () => parts("Devices that events tell", { by: "device", ...range }),
    "trends-sources": () => parts("Traffic sources", { by: "traffic_source", ...range }),
    "trends-audience": () => {
      const { by, told } = audience;
      const title = `Users by ${by.replaceAll("_", " ")}`;
      if (!told) return parts(title, { by, ...range });
      const parameters = { ...range, by, limit: MOST_ROWS };
      return {
        title: `${title} that they told`,
        query: "audience",
        parameters,
        key: ["value"],
        columns: ["users", "events"],
        kept: async (signal) => (await read("/api/audience", parameters, signal)).rows,
      };
    },
    "trends-scatter": () => ordersByProduct(range),
    parts: () => ({
      title: "Products on devices",
      query: "devices",
      parameters: range,
      key: ["product", "site_version"],
      columns: [...TYPES, "users"],
      kept: (signal) => productsOnDevices(range, signal),
    }),
    funnel: () => stages("The stages", "funnel", range),
    "funnel-by": () => stages("The stages by a dimension", "funnel_by", { ...range, by: page.by ?? "product", limit: 12 }),
    "funnel-lost": () => stages("The stages of products", "funnel_by", { ...range, by: "product", limit: 100 }),
    latest: () => ({
      title: "The newest events",
      query: "latest",
      parameters: { ...narrowed, limit: LATEST_ROWS },
      key: ["event_id"],
      columns: LATEST,
      kept: async (signal) => {
        const { rows } = await read("/api/latest", { ...narrowed, limit: LATEST_ROWS }, signal);
        // an event does not say what it has not
        return tied(rows.map((row) => ({ ...Object.fromEntries(LATEST.map((column) => [column, null])), ...row })));
      },
      fold: tied,
    }),
    windows: () => ({
      title: windows.kind === "session" ? "Sessions one by one" : "Windows",
      query: "windows",
      parameters: { ...windows, limit: MOST_ROWS },
      key: ["window_start", "window_end", "group"],
      columns: ["events", "orders", "amount"],
      most: MOST_ROWS,
      kept: async (signal) => (await read("/api/windows", { ...windows, limit: MOST_ROWS }, signal)).rows,
    }),
    rate: () => {
      const parameters = { ...narrowed, kind: "tumbling", size: "1s", from: wholeMinute(120_000), limit: MOST_ROWS };
      return {
        title: "Events a second",
        query: "windows",
        parameters,
        key: ["window_start"],
        columns: ["events"],
        most: MOST_ROWS,
        kept: async (signal) => (await read("/api/windows", parameters, signal)).rows,
      };
    },
    imports: () => ({
      title: "Rows of the imports",
      query: "imports",
      parameters: { limit: 100 },
      key: ["import_id"],
      columns: ["rows_stored", "rows_rejected"],
      kept: async (signal) => (await read("/api/imports", { limit: 100 }, signal)).rows,
    }),
    rejected: () => {
      const parameters = { import_id: narrowed.import_id, limit: 50 };
      return {
        title: "What was rejected",
        query: "rejected",
        parameters,
        key: ["rejected_at", "topic", "partition", "offset", "line"],
        columns: ["reason"],
        most: 50,
        kept: async (signal) => (await read("/api/rejected", parameters, signal)).rows,
      };
    },
    "messages-stored": () => ofMessages("Messages that were stored", "stored"),
    "messages-rejected": () => ofMessages("Messages that were rejected", "rejected"),
    "messages-late": () => ofMessages("Events that came late", "late"),
    pending: () => ({
      title: "Events that are pending",
      query: "pending",
      parameters: {},
      key: [],
      columns: ["without_users", "without_sessions"],
      kept: async (signal) => [(await read("/api/pipeline", {}, signal)).pending],
    }),
    // of the moment: what is shown and what is counted are of different ones
    latency: () => ({ title: "How soon events are stored", query: "latency", parameters: {} }),
    stored: () => ({ title: "Events stored a second", query: "stored", parameters: {} }),
    "windows-chart": () => {
      if (windows.kind !== "session") return figures.windows();
      const parameters = { ...range, gap: windows.gap };
      return {
        title: "Sessions",
        query: "sessions",
        parameters,
        key: [],
        columns: SESSIONS,
        kept: async (signal) => [await read("/api/sessions", parameters, signal)],
      };
    },
  };
  return (figures[name] ?? salesFigure(name, range, narrowed))();
}

/** The whole minute so many milliseconds ago. */
const wholeMinute = (ago) => new Date(Math.floor((Date.now() - ago) / 60_000) * 60_000).toISOString();

const SALES = ["orders", "users", "amount", "sold", "failed", "units", "average_order"];
/** Cards of sales by the dimension that they tell orders apart by. */
const SALES_BY = {
  "sales-states": "state",
  "sales-types": "product",
  "sales-products": "product_name",
  "sales-brands": "brand",
  "sales-categories": "category",
  "sales-cities": "city",
  "sales-countries": "country",
  "sales-payment": "payment_method",
  "sales-status": "status",
  "sales-customers": "user_id",
  "sales-prices": "product",
};

function salesFigure(name, range, narrowed) {
  const figure = (title, query, parameters, key, columns) => ({
    title,
    query,
    parameters,
    key,
    columns,
    most: key.length ? MOST_ROWS : undefined,
    kept: async (signal) => (await read(`/api/${query}`, parameters, signal)).rows,
  });
  const windows = (title, size, from) =>
    figure(
      title,
      "windows",
      { ...narrowed, kind: "tumbling", size, event_type: "order", from, limit: MOST_ROWS },
      ["window_start"],
      ["orders", "amount"],
    );
  const of = {
    "sales-live": () => windows("Sales a second", "1s", wholeMinute(120_000)),
    "sales-minutes": () => windows("Sales a minute", "1m", wholeMinute(3_600_000)),
    "sales-hour": () => figure("Sales of the last hour", "sales", { ...narrowed, from: wholeMinute(3_600_000) }, [], SALES),
    "sales-places": () =>
      figure(
        "Places of orders",
        "places",
        { ...range, limit: MOST_ROWS },
        ["city", "state", "country", "latitude", "longitude"],
        ["orders", "amount"],
      ),
    "sales-screens": () => of.by(document.getElementById("sales-screen").value),
    by: (by) =>
      figure(`Sales by ${by.replaceAll("_", " ")}`, "sales", { ...range, by, limit: MOST_ROWS }, ["value"], [
        ...SALES,
        ...(name === "sales-prices" ? ["average_price"] : []),
      ]),
  };
  if (of[name]) return of[name];
  return SALES_BY[name] ? () => of.by(SALES_BY[name]) : () => figure("Sales of the range", "sales", range, [], SALES);
}

/**
 * Rows of the newest events with those of the oldest moment as one: events of a batch are stored at the same moment, and
 * it is open which of them are still among so many.
 */
function tied(rows) {
  if (!rows.length) return rows;
  const oldest = moment(rows.at(-1).stored_at);
  const newer = rows.filter((row) => moment(row.stored_at) > oldest);
  return [...newer, { event_id: `${rows.length - newer.length} stored together`, stored_at: oldest }];
}

/** Orders a day by the products of the chart, the rest as others. */
function ordersByProduct(range) {
  let shown = [];
  return {
    title: "Orders a day by product",
    query: "orders",
    parameters: range,
    key: ["day", "product"],
    columns: ["order"],
    kept: async (signal) => {
      const [{ products, byProduct }, { rows: all }] = await Promise.all([
        readOrders(range, null, signal),
        read("/api/daily", { event_type: "order", ...range }, signal),
      ]);
      shown = orderedProducts(products);
      const rest = new Map(all.map(({ day, order }) => [day, order]));
      const rows = byProduct.flatMap(([product, days]) =>
        days.map(({ day, order }) => {
          rest.set(day, (rest.get(day) ?? 0) - order);
          return { day, product, order };
        }),
      );
      return [...rows, ...[...rest].map(([day, order]) => ({ day, product: "others", order: Math.max(0, order) }))];
    },
    fold: (rows) => {
      const others = new Map();
      const own = [];
      for (const row of rows) {
        if (shown.includes(row.product)) own.push(row);
        else others.set(row.day, (others.get(row.day) ?? 0) + Number(row.order));
      }
      return [...own, ...[...others].map(([day, order]) => ({ day, product: "others", order: String(order) }))];
    },
  };
}

async function productsOnDevices(range, signal) {
  const [products, { devices, onDevice }] = await Promise.all([
    readProducts(range, signal),
    readDevices(range, signal),
  ]);
  const rows = onDevice.flatMap(([device, list]) =>
    list.map((row) => ({ ...row, product: row.value, site_version: device })),
  );
  if (devices.some(({ value }) => value === null)) {
    // no filter picks what states no device: it is what the others leave, and its users are not kept
    for (const product of products) {
      const left = { product: product.value, site_version: null };
      for (const key of TYPES) {
        const known = rows.filter((row) => row.product === product.value).reduce((sum, row) => sum + row[key], 0);
        left[key] = Math.max(0, product[key] - known);
      }
      rows.push(left);
    }
  }
  return rows;
}
