// The section Funnel: how far visitors come, by any dimension, and what they leave. Its contract stands in page.js.

import { showFigure, showNote } from "../tiles.js";
import { byView, lostView, stagesView } from "../funnel-views.js";
import * as format from "../format.js";

const VALUES = 12;
/** While users of some days are not counted yet, it is looked again. */
const LOOK = 2_000;

export class Funnel {
  #page;
  #cards;
  #by = document.getElementById("by");

  constructor(page) {
    this.#page = page;
    this.#cards = Object.fromEntries(["stages", "funnel-by", "funnel-lost"].map((id) => [id, page.card(id)]));
    this.#by.addEventListener("change", () => page.choose({ by: this.#by.value === "product" ? null : this.#by.value }));
  }

  async read(signal) {
    const page = this.#page;
    const by = page.own("by") ?? "product";
    this.#by.value = by;
    const picked = page.picked();
    const compared = page.compared();
    const funnel = (parameters) => page.read("/api/funnel", parameters, signal);
    const parts = (dimension, limit) => funnel({ ...picked, by: dimension, limit });
    const [totals, stages, before] = await Promise.all([
      page.read("/api/totals", picked, signal),
      funnel(picked),
      compared && Promise.all([funnel(compared), page.read("/api/totals", compared, signal)]),
    ]);
    // what the others say need not be known for these
    this.#showTiles(totals, stages.rows, before);
    this.#cards.stages.show(stagesView(stages.rows, before?.[0].rows, page));
    const [products, values] = await Promise.all([
      // all of them, for those that lose the most are not those with the most events
      parts("product", 1_000),
      by === "product" ? null : parts(by, VALUES),
    ]);
    this.#cards["funnel-by"].show(byView(values?.rows ?? largest(products.rows), by, page));
    this.#cards["funnel-lost"].show(lostView(products.rows, page));
    const { pending } = stages;
    document.getElementById("funnel-pending").textContent = pending
      ? "Users of the newest events are still being counted: users lag behind events for a moment."
      : "";
    return pending ? LOOK : undefined;
  }

  #showTiles(totals, stages, before) {
    const buyersOf = (rows) => rows.find(({ stage }) => stage === "order")?.users ?? 0;
    const versus = this.#page.versus();
    const [users, buyers] = [totals.users, buyersOf(stages)];
    const [usersBefore, buyersBefore] = before ? [before[1].users, buyersOf(before[0].rows)] : [0, 0];
    showFigure("funnel-users", format.compact(users), format.count(users));
    showFigure("buyers", format.compact(buyers), format.count(buyers));
    showFigure("conversion", format.percent(buyers, users));
    const said = (now, was) => `${format.change(now, was)} ${versus}`;
    showNote("funnel-users", before ? said(users, usersBefore) : "each counted once");
    showNote("buyers", before ? said(buyers, buyersBefore) : "each counted once");
    const rates = before && usersBefore ? said(buyers / users, buyersBefore / usersBefore) : null;
    showNote("conversion", rates ?? "buyers of all users");
  }
}

/** The rows of the first values, which are those with the most events. */
function largest(rows) {
  const values = [...new Set(rows.map(({ value }) => value))].slice(0, VALUES);
  return rows.filter(({ value }) => values.includes(value));
}
