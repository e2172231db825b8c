// Orders over time by product.

import { barItems, bucketLong, comparedLine, countAxis, countOrNothing, GROUP_NAMES, hasToday, pausesLeftOut, timeAxis, UNFINISHED } from "./axes.js";
import * as format from "./format.js";
import { nothing } from "./nothing.js";
import { GREY, productColor, SHOP_PRODUCTS, title } from "./palette.js";
import { sumBy } from "./range.js";

const MOST = 8;

/** The products that get a colour of their own, of rows of /api/breakdown?by=product. */
export function orderedProducts(rows) {
  const ordered = rows.filter((row) => row.value !== null && row.order > 0).sort((a, b) => b.order - a.order);
  const chosen = ordered.slice(0, ordered.length > MOST ? MOST - 1 : MOST).map((row) => row.value);
  const place = (product) => SHOP_PRODUCTS.indexOf(product) + 1 || SHOP_PRODUCTS.length + 1;
  return chosen.sort((a, b) => place(a) - place(b));
}

/** `byProduct`: [product, rows of its orders]; all else is as in daily.js. */
export function ordersView({ all, byProduct, list, group, today, period, compared, page }) {
  const orders = (row) => row.order;
  const before = compared && sumBy(compared.rows, list, group, orders);
  const totals = sumBy(all, list, group, orders);
  const series = byProduct.map(([product, rows]) => ({
    product,
    name: title(product),
    color: productColor(product),
    sums: sumBy(rows, list, group, orders),
  }));
  // several reads of figures that grow: never less than nothing
  const rest = totals.map((total, i) =>
    Math.max(
      0,
      series.reduce((left, { sums }) => left - sums[i], total),
    ),
  );
  if (rest.some((n) => n > 0)) series.push({ name: "Others", color: GREY, sums: rest });
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const total = sum(totals);
  const dense = list.length > 120;
  const notes = [pausesLeftOut(list)].filter(Boolean);
  if (total === 0 && !compared) return nothing("No orders in this range.");
  if (hasToday(list, today)) notes.push(UNFINISHED);
  if (compared) notes.push(`The line is ${compared.period}: ${format.count(sum(before))} orders.`);
  return {
    label: `Orders by product, ${period}: ${format.count(total)} in all. ${series
      .map(({ name, sums }) => `${name} ${format.count(sum(sums))}`)
      .join(", ")}.`,
    note: notes.join(" "),
    legend: series.map(({ product, name, color, sums }) => ({
      name,
      color,
      value: format.count(sum(sums)),
      share: format.percent(sum(sums), total),
      pick: product === undefined ? null : page.toggle("product", product),
    })),
    table: () => ({
      head: [GROUP_NAMES[group], ...series.map(({ name }) => name), "All", ...(compared ? [`All ${compared.versus}`] : [])],
      rows: list.flatMap((bucket, i) =>
        bucket.from > today && !totals[i]
          ? []
          : [[bucketLong(bucket, group), ...series.map(({ sums }) => format.count(sums[i])), format.count(totals[i]), ...(compared ? [format.count(before[i])] : [])]],
      ),
      foot: ["All", ...series.map(({ sums }) => format.count(sum(sums))), format.count(total), ...(compared ? [format.count(sum(before))] : [])],
    }),
    pick: ({ seriesIndex }) => {
      const product = series[seriesIndex]?.product;
      return product === undefined ? null : page.toggle("product", product);
    },
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 4, top: 12, bottom: 4, outerBoundsMode: "same" },
      xAxis: [
        timeAxis({
          id: "time",
          list,
          group,
          width,
          theme,
          header: (i) =>
            `${bucketLong(list[i], group)}${list[i].to > today ? ", so far" : ""}: ${format.count(totals[i])} ${totals[i] === 1 ? "order" : "orders"}`,
        }),
      ],
      yAxis: [countAxis(theme, { id: "counts" })],
      tooltip: {
        trigger: "axis",
        valueFormatter: (value, i) =>
          value ? `${format.count(value)} (${format.percent(value, totals[i])})` : countOrNothing(value),
      },
      series: [
        ...series.map(({ name, color, sums }) => ({
          id: name,
          type: "bar",
          stack: "orders",
          name,
          color,
          barMaxWidth: 56,
          barCategoryGap: dense ? "12%" : "24%",
          itemStyle: dense ? {} : { borderColor: theme.card, borderWidth: 0.5 },
          emphasis: { disabled: true },
          data: barItems(sums, list, today, color),
        })),
        ...(compared
          ? [{ ...comparedLine(theme, before), id: "before", name: "All before", tooltip: { valueFormatter: countOrNothing } }]
          : []),
      ],
    }),
  };
}
