// The section Funnel: how many events and users each stage has. Its contract stands in page.js.

import { countAxis } from "../axes.js";
import * as format from "../format.js";
import { eventType, GREY } from "../palette.js";

const STAGES = ["banner_show", "banner_click", "cart", "order"];

export class Funnel {
  #page;
  #card;

  constructor(page) {
    this.#page = page;
    this.#card = page.card("stages");
  }

  async read(signal) {
    const ask = (picked) => this.#page.read("/api/breakdown", { ...picked, by: "event_type", limit: 1000 }, signal);
    const compared = this.#page.compared();
    const [now, before] = await Promise.all([ask(this.#page.picked()), compared ? ask(compared) : null]);
    this.#card.show(stagesView(now.rows, before?.rows, this.#page));
  }
}

/** `rows` of /api/breakdown?by=event_type, and those of the period of comparison, if any. */
export function stagesView(rows, before, page) {
  const of = (list, key) => {
    const row = list.find(({ value }) => value === key);
    return { events: row?.[key] ?? 0, users: row?.users ?? 0 };
  };
  // carts are no stage of a shop that has none
  const stages = STAGES.filter((key) => key !== "cart" || of(rows, key).events || (before && of(before, key).events));
  const list = stages.map((key) => ({ ...eventType(key), now: of(rows, key), before: before && of(before, key) }));
  const versus = page.versus();
  const change = ({ now, before }) => format.change(now.events, before.events);
  return {
    label: `Stages: ${list.map(({ name, now }) => `${name} ${format.count(now.events)}, ${format.count(now.users)} users`).join("; ")}.`,
    note: "Users of one stage may be users of others: they do not add up to all users.",
    legend: list.map((stage) => ({
      color: stage.color,
      name: stage.name,
      value: format.count(stage.now.events),
      share: before ? `${change(stage)} ${versus}` : `${format.count(stage.now.users)} users`,
      pick: page.toggle("event_type", stage.key),
    })),
    table: () => ({
      head: ["Stage", "Events", "Users", ...(before ? [`Events ${versus}`, "Change"] : [])],
      rows: list.map((stage) => [
        stage.name,
        format.count(stage.now.events),
        format.count(stage.now.users),
        ...(before ? [format.count(stage.before.events), change(stage)] : []),
      ]),
      picks: list.map(({ key }) => page.toggle("event_type", key)),
    }),
    pick: ({ dataIndex }) => page.toggle("event_type", list[dataIndex].key),
    option: (theme) => ({
      grid: { id: "grid", left: 4, right: 48, top: 4, bottom: 4, outerBoundsMode: "same" },
      xAxis: [countAxis(theme, { id: "counts" })],
      yAxis: [
        {
          id: "stages",
          type: "category",
          inverse: true,
          data: list.map(({ name }) => name),
          axisLine: { lineStyle: { color: theme.line } },
          axisTick: { show: false },
          axisLabel: { color: theme.text, fontSize: 13 },
        },
      ],
      tooltip: { trigger: "axis", valueFormatter: format.count },
      series: ["events", "users"].map((figure) => ({
        id: figure,
        type: "bar",
        name: figure === "events" ? "Events" : "Users",
        color: GREY,
        barMaxWidth: 28,
        label: { show: true, position: "right", color: theme.muted, fontSize: 12, formatter: ({ value }) => format.compact(value) },
        data: list.map(({ now, color }) => ({
          value: now[figure],
          // by the colour: an item's opacity would be its label's, too
          itemStyle: { color: figure === "events" ? color : `${color}80` },
        })),
      })),
    }),
  };
}
