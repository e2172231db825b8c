// The section Trends, beside its charts over time (over-time.js): when in the week, on what, from where, who. Its
// contract stands in page.js.

import { readOrders } from "../over-time.js";
import { Play } from "../play.js";
import { AUDIENCE, audienceView, devicesView, heatmapView, scatterView, sourcesView } from "../trends-views.js";

const MOST_DEVICES = 6;

export class Trends {
  #page;
  #cards;
  #print = null;
  /** The play of days. */
  play;

  /** `mark` as in play.js. */
  constructor(page, mark) {
    this.#page = page;
    this.play = new Play(page, mark);
    const ids = ["heatmap", "devices", "sources", "audience", "scatter"];
    this.#cards = Object.fromEntries(ids.map((id) => [id, page.card(`trends-${id}`)]));
  }

  async read(signal) {
    const page = this.#page;
    const picked = page.picked();
    const totals = await page.read("/api/totals", picked, signal);
    const print = JSON.stringify([picked, totals.events, totals.users]);
    await this.play.read(picked, print, signal);
    if (print === this.#print) return;
    const by = (dimension, more) =>
      page.read("/api/breakdown", { ...picked, ...more, by: dimension, limit: 50 }, signal).then(({ rows }) => rows);
    // the quickest first, a few at a time
    const [heatmap, devices, sources] = await Promise.all([
      page.read("/api/heatmap", picked, signal),
      by("device"),
      by("traffic_source"),
    ]);
    this.#cards.heatmap.show(heatmapView(heatmap.rows, heatmap.tz));
    this.#cards.sources.show(sourcesView(sources, page));
    const named = devices.filter(({ value }) => value !== null).slice(0, MOST_DEVICES);
    const systems = await Promise.all(named.map(async ({ value }) => [value, await by("os", { device: value })]));
    this.#cards.devices.show(devicesView(named, systems, page));
    const audience = await Promise.all(AUDIENCE.map(async (group) => ({ ...group, rows: await by(group.by) })));
    const region = audience.at(-1);
    if (!region.rows.some(({ value }) => value !== null)) {
      // what users told of themselves, which their events do not repeat
      region.told = (await page.read("/api/audience", { ...picked, by: region.by, limit: 50 }, signal)).rows;
    }
    this.#cards.audience.show(audienceView(audience, page));
    this.#cards.scatter.show(scatterView((await readOrders(picked, null, signal)).byProduct, page));
    this.#print = print;
  }
}
