// What the cards of the funnel show, made of rows of /api/funnel.

import { countAxis, END, NARROW, nameAxis, percentAxis } from "./axes.js";
import * as format from "./format.js";
import { nothing } from "./nothing.js";
import { eventType, GREY, groupColor, groupName, title } from "./palette.js";

const STAGES = [
  { key: "view", name: "Views", types: ["banner_show", "page_view", "product_view"], color: eventType("banner_show").color },
  { key: "click", name: "Clicks", types: ["banner_click"], color: eventType("banner_click").color },
  { key: "cart", name: "Into cart", types: ["cart"], color: eventType("cart").color },
  { key: "order", name: "Orders", types: ["order"], color: eventType("order").color },
];
const NOTHING = { events: 0, users: 0, left: 0, rate: null };
const MOST_PRODUCTS = 12;
const BAR = 26;

/** The stages of the values of a dimension in their order: [{value, view, click, cart, order}]. */
function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const value = row.value ?? null;
    if (!groups.has(value)) groups.set(value, { value });
    groups.get(value)[row.stage] = row;
  }
  return [...groups.values()];
}

/** The stages that anything came to; carts are none of a shop that has none. */
const used = (groups) => STAGES.filter(({ key }) => key !== "cart" || groups.some((group) => group[key]?.events));

/** `rows` of /api/funnel, and those of the period of comparison, if any. */
export function stagesView(rows, before, page) {
  const [now = {}] = grouped(rows);
  const [was = {}] = before ? grouped(before) : [];
  const list = used([now, was]).map((stage) => ({
    ...stage,
    now: now[stage.key] ?? NOTHING,
    before: before && (was[stage.key] ?? NOTHING),
  }));
  const versus = page.versus();
  const change = ({ now, before }) => format.change(now.events, before.events);
  const rate = ({ now }) => (now.rate === null ? "–" : format.percent(now.rate, 1));
  const toggle = ({ types }) => {
    const off = String(page.state.filters.event_type ?? "") === String(types);
    return { event_type: off ? null : types };
  };
  return {
    label: `Stages: ${list.map(({ name, now }) => `${name} ${format.count(now.events)}, ${format.count(now.users)} users`).join("; ")}.`,
    note: "Whoever viewed and ordered is a user of both stages, so users of the stages do not add up to all users. An order needs no click: who came back later, or on another device, orders without one.",
    legend: list.map((stage, i) => ({
      color: stage.color,
      name: stage.name,
      value: format.compact(stage.now.events),
      share: before ? `${change(stage)} ${versus}` : i ? `${rate(stage)} of the stage before` : `${format.compact(stage.now.users)} users`,
      pick: toggle(stage),
    })),
    table: () => ({
      head: ["Stage", "Events", "Users", ...(before ? [`Events ${versus}`, "Change"] : []), "Of the stage before", "Came no further"],
      rows: list.map((stage) => [
        stage.name,
        format.count(stage.now.events),
        format.count(stage.now.users),
        ...(before ? [format.count(stage.before.events), change(stage)] : []),
        rate(stage),
        format.count(stage.now.left),
      ]),
      picks: list.map(toggle),
    }),
    pick: ({ dataIndex }) => toggle(list[dataIndex]),
    height: list.length * 72 + 40,
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 56, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts", splitNumber: width < NARROW ? 2 : 4 })],
      yAxis: [nameAxis(theme, list.map(({ name }) => name), width)],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: ["events", "users"].map((figure) => ({
        id: figure,
        type: "bar",
        name: figure === "events" ? "Events" : "Users",
        color: GREY,
        barMaxWidth: BAR,
        itemStyle: { borderRadius: END },
        label: {
          show: true,
          position: "right",
          color: theme.muted,
          fontSize: 12,
          formatter: ({ value }) => `${format.compact(value)}${figure === "users" ? " users" : ""}`,
        },
        data: list.map(({ now, color }) => ({
          value: now[figure],
          // by the colour: an item's opacity would be its label's, too
          itemStyle: { color: figure === "events" ? color : `${color}80` },
        })),
      })),
    }),
  };
}

/** `rows` of /api/funnel by a dimension: what part of each value's events of a stage the next stage has. */
export function byView(rows, dimension, page) {
  const groups = grouped(rows);
  const stages = used(groups);
  const further = stages.slice(1);
  const name = ({ value }) => groupName(dimension, value);
  const of = (group, { key }) => group[key] ?? NOTHING;
  const rate = (group, stage) => (of(group, stage).rate === null ? "–" : format.percent(of(group, stage).rate, 1));
  const before = (stage) => stages[stages.indexOf(stage) - 1].name.toLowerCase();
  const toggle = ({ value }) => page.toggle(dimension, value);
  const beyond = groups.filter((group) => group.click?.events > 0 && group.order?.events > group.click.events);
  const notes = ["Whoever came for two of these is a user of both: users of the parts add up to more than all users."];
  if (beyond.length)
    notes.push(
      `More is ordered than clicked: ${beyond.map((group) => `${name(group)} ${format.percent(group.order.events, group.click.events)}`).join(", ")}. Orders are not what becomes of clicks alone.`,
    );
  // no bar has anything to be a part of: such values are in the table alone
  const rated = groups.filter((group) => further.some((stage) => of(group, stage).rate !== null));
  if (rated.length < groups.length) notes.push(`${format.count(groups.length - rated.length)} more, with no stage before another, are in the table.`);
  if (!groups.length) notes.splice(0, 2, `No event of this range has a ${title(dimension).toLowerCase()}: choose another dimension.`);
  return {
    label: `Rates by ${title(dimension).toLowerCase()}: ${groups.map((group) => `${name(group)} ${further.map((stage) => `${stage.name.toLowerCase()} ${rate(group, stage)}`).join(", ")}`).join("; ")}.`,
    note: notes.join(" "),
    legend: further.map((stage) => ({ color: stage.color, name: `${stage.name} per ${before(stage).replace(/s$/, "")}` })),
    table: () => ({
      head: [title(dimension), ...stages.flatMap((stage, i) => [stage.name, `${stage.name}: users`, ...(i ? [`${stage.name} of ${before(stage)}`] : [])])],
      rows: groups.map((group) => [
        name(group),
        ...stages.flatMap((stage, i) => [
          format.count(of(group, stage).events),
          format.count(of(group, stage).users),
          ...(i ? [rate(group, stage)] : []),
        ]),
      ]),
      picks: groups.map(toggle),
    }),
    pick: ({ dataIndex }) => toggle(rated[dataIndex]),
    height: Math.max(120, rated.length * (further.length * 14 + 18) + 40),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: 56, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [percentAxis(theme, { id: "rates", splitNumber: width < NARROW ? 2 : 4 })],
      yAxis: [nameAxis(theme, rated.map(name), width)],
      tooltip: { trigger: "axis", valueFormatter: (part) => (typeof part === "number" ? format.percent(part, 1) : "–") },
      series: further.map((stage) => ({
        id: stage.key,
        type: "bar",
        name: `${stage.name} per ${before(stage).replace(/s$/, "")}`,
        color: stage.color,
        barMaxWidth: 14,
        itemStyle: { borderRadius: END },
        label: {
          show: true,
          position: "right",
          color: theme.muted,
          fontSize: 12,
          formatter: ({ value }) => (typeof value === "number" ? format.percent(value, 1) : ""),
        },
        data: rated.map((group) => of(group, stage).rate ?? "-"),
      })),
    }),
  };
}

/** `rows` of /api/funnel?by=product: users who clicked on a product and came no further with it. */
export function lostView(rows, page) {
  const all = grouped(rows)
    .map(({ value, click = NOTHING }) => ({ value, left: click.left, users: click.users }))
    .filter(({ users }) => users > 0)
    .sort((a, b) => b.left - a.left);
  const list = all.slice(0, MOST_PRODUCTS);
  if (!list.length) return nothing("Nothing was clicked in this range.");
  const name = ({ value }) => groupName("product", value);
  const toggle = ({ value }) => page.toggle("product", value);
  const notes = ["Users who clicked on a product and neither put it into the cart nor ordered it in this range."];
  if (all.length > list.length) notes.push(`${format.count(all.length - list.length)} more products are not shown.`);
  return {
    label: `Clicked and not ordered: ${list.map((one) => `${name(one)} ${format.count(one.left)} of ${format.count(one.users)} users`).join(", ")}.`,
    note: notes.join(" "),
    table: () => ({
      head: ["Product", "Clicked and not ordered", "Clicked", "Share"],
      rows: list.map((one) => [name(one), format.count(one.left), format.count(one.users), format.percent(one.left, one.users)]),
      picks: list.map(toggle),
    }),
    pick: ({ dataIndex }) => toggle(list[dataIndex]),
    height: Math.max(120, list.length * 46 + 40),
    option: (theme, width) => ({
      grid: { id: "grid", left: 4, right: width < NARROW ? 48 : 110, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts", splitNumber: width < NARROW ? 2 : 4 })],
      yAxis: [nameAxis(theme, list.map(name), width)],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: [
        {
          id: "left",
          type: "bar",
          name: "Clicked and not ordered",
          barMaxWidth: BAR,
          itemStyle: { borderRadius: END },
          label: {
            show: true,
            position: "right",
            color: theme.muted,
            fontSize: 12,
            formatter: ({ dataIndex }) => {
              const { left, users } = list[dataIndex];
              return width < NARROW ? format.compact(left) : `${format.compact(left)} (${format.percent(left, users)})`;
            },
          },
          data: list.map(({ value, left }) => ({ value: left, itemStyle: { color: groupColor("product", value) } })),
        },
      ],
    }),
  };
}
