// One colour a product, one an event type, one a device, the same in every chart and in both themes.
// The hues are Okabe and Ito's, their lightness tuned so that each stands out 3:1 from the white and
// from the dark card, and so that no two of one group fall together for colour-blind eyes.

const BLUE = "#3a92e0";
const RED = "#c43a0c";
const PURPLE = "#cf62ab";
const GREEN = "#17735f";
const OCHRE = "#b08f35";
/** The colour of the others together. */
export const GREY = "#7d8794";
const NOT_STATED = "#8a7f72";

/** The event types that have figures, in the order of every table and chart. */
export const EVENT_TYPES = [
  { key: "banner_show", name: "Shows", what: "Banners shown", one: "Banner shown", color: BLUE },
  { key: "banner_click", name: "Clicks", what: "Banners clicked", one: "Banner clicked", color: "#c98410" },
  { key: "order", name: "Orders", what: "Orders placed", one: "Order placed", color: GREEN },
  { key: "page_view", name: "Page views", what: "Pages viewed", one: "Page viewed", color: "#5b7f9e" },
  { key: "product_view", name: "Product views", what: "Products viewed", one: "Product viewed", color: "#8f6bd1" },
  { key: "cart", name: "Into cart", what: "Put into the cart", one: "Put into the cart", color: RED },
  {
    key: "cart_remove",
    name: "Out of cart",
    what: "Taken out of the cart",
    one: "Taken out of the cart",
    color: PURPLE,
  },
];

const DEVICES = { desktop: "#2a6fd6", mobile: "#b98d10", tablet: "#bf3f97" };

/** The shop's own products: always on the page, even before anything happened to them. */
export const SHOP_PRODUCTS = ["accessories", "clothes", "electronics", "sneakers", "sports_nutrition"];

const productColors = new Map([
  ["accessories", PURPLE],
  ["clothes", BLUE],
  ["electronics", GREEN],
  ["sneakers", RED],
  ["sports_nutrition", OCHRE],
]);
const MORE_COLORS = ["#8f6bd1", "#5b7f9e", "#a8662a", "#6b8e23", "#b0486a", "#4a7ab8", "#9a7d0a", "#2f8f9d"];

const PALETTE = [BLUE, OCHRE, GREEN, PURPLE, RED, ...MORE_COLORS];

/** The colour of a product: the shop's own are fixed, any other keeps the first it is given. */
export function productColor(product) {
  if (!productColors.has(product)) {
    productColors.set(product, MORE_COLORS[(productColors.size - SHOP_PRODUCTS.length) % MORE_COLORS.length]);
  }
  return productColors.get(product);
}

export function deviceColor(device) {
  return DEVICES[device] ?? NOT_STATED;
}

/** Black or white, whichever stands out more from a colour. */
export function onColor(color) {
  const [r, g, b] = [1, 3, 5].map((at) => (parseInt(color.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000000" : "#ffffff";
}

export function eventType(key) {
  return (
    EVENT_TYPES.find((type) => type.key === key) ?? {
      key,
      name: title(key),
      what: title(key),
      one: title(key),
      color: GREY,
    }
  );
}

/** "sports_nutrition" as people write it. Braces would be markup in a chart's rich text. */
export function title(value) {
  const words = value.replace(/_/g, " ").replace(/[{}|]/g, " ").trim() || "(blank)";
  return words[0].toUpperCase() + words.slice(1);
}

const groupColors = new Map();

/** The colour of a value of a dimension; where the dimension has none of its own, a value keeps the first it is given. */
export function groupColor(dimension, value) {
  if (value === null) return NOT_STATED;
  if (dimension === "product") return productColor(value);
  if (dimension === "site_version") return deviceColor(value);
  if (dimension === "device" && DEVICES[value.toLowerCase()]) return deviceColor(value.toLowerCase());
  if (dimension === "event_type") return eventType(value).color;
  const key = JSON.stringify([dimension, value]);
  if (!groupColors.has(key)) groupColors.set(key, PALETTE[groupColors.size % PALETTE.length]);
  return groupColors.get(key);
}

const CODED = ["payment_method", "status", "order_type", "region", "traffic_source"];

/** A value of a dimension as people read it. */
export function groupName(dimension, value) {
  if (value === null) return "Not stated";
  if (dimension === "event_type") return eventType(value).name;
  // names of one's own and ids stay as they are
  const own = CODED.includes(dimension) ? value.replaceAll("_", " ") : value;
  const name = ["product", "site_version"].includes(dimension) ? title(value) : own.replace(/[{}|\n]/g, " ").trim();
  return name.length > 40 ? `${name.slice(0, 39)}…` : name || "(blank)";
}
