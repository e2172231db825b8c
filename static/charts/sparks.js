// Sparklines of the tiles: the hours of today, drawn beside the figure and hidden from those who hear it.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [96, 24];

/** Draws a bar an hour into the tile's place; `values` from the day's first hour on. */
export function drawSpark(place, values) {
  const most = Math.max(...values, 0);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const step = WIDTH / Math.max(values.length, 24);
  values.forEach((value, i) => {
    const height = most && value ? Math.max(1, (value / most) * HEIGHT) : 0.5;
    const bar = document.createElementNS(SVG, "rect");
    for (const [name, n] of Object.entries({ x: i * step, y: HEIGHT - height, width: step * 0.75, height })) {
      bar.setAttribute(name, n.toFixed(2));
    }
    svg.append(bar);
  });
  place.replaceChildren(svg);
}

/** The currencies of rows of /api/windows, the one with the largest figures first. */
export function currenciesOf(rows) {
  const sums = new Map();
  for (const { amount } of rows) {
    for (const [currency, sum] of Object.entries(amount)) sums.set(currency, (sums.get(currency) ?? 0) + Number(sum));
  }
  return [...sums].sort(([, a], [, b]) => b - a).map(([currency]) => currency);
}

/**
 * `rows` of /api/windows?size=1h&group_by=event_type of a day, as hours [{banner_show, banner_click, order, revenue}] from
 * the day's `first` moment on; revenue is that of one currency, for they have no sum.
 */
export function hoursOf(rows, currency, first) {
  if (!rows.length) return [];
  const start = (row) => Date.parse(row.window_start);
  const at = (row) => Math.round((start(row) - first) / 3_600_000);
  const hours = Array.from({ length: at(rows.at(-1)) + 1 }, () => ({ revenue: 0 }));
  for (const row of rows) {
    const hour = hours[at(row)];
    hour[row.group] = row.events;
    hour.revenue += Number(row.amount[currency] ?? 0);
  }
  return hours;
}

/** The hours of today, which begins at `first`, of each tile; returns the currency that revenue is drawn in where there are several. */
export function showSparks(rows, first) {
  const [currency, ...others] = currenciesOf(rows);
  const hours = hoursOf(rows, currency, first);
  const ratio = (part, all) => (all ? (part ?? 0) / all : 0);
  const values = {
    "shows-today": (hour) => hour.banner_show ?? 0,
    "clicks-today": (hour) => hour.banner_click ?? 0,
    "orders-today": (hour) => hour.order ?? 0,
    "click-rate-today": (hour) => ratio(hour.banner_click, hour.banner_show),
    "conversion-today": (hour) => ratio(hour.order, hour.banner_click),
    "revenue-today": (hour) => hour.revenue,
  };
  for (const [name, value] of Object.entries(values)) {
    drawSpark(document.querySelector(`[data-spark="${name}"]`), hours.map(value));
  }
  return others.length ? currency : null;
}
