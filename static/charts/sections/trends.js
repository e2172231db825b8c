// The section Trends, beside its charts over time (over-time.js): when in the week, on what, from where, who. Its
// contract stands in page.js.

import { readOrders } from "../over-time.js";
import { Play } from "../play.js";
import { AUDIENCE, audienceView, devicesView, heatmapView, scatterView, sourcesView, stated } from "../trends-views.js";

const MOST_DEVICES = 6;

export class Trends {
  #page;
  #cards;
  #who = document.getElementById("who");
  #print = null;
  #audiencePrint = null;
  /** The play of days. */
  play;
  /** What the audience is shown by, and whether users told it and not their events. */
  audience = { by: AUDIENCE[0].by, told: false };

  /** `mark` as in play.js. */
  constructor(page, mark) {
    this.#page = page;
    this.play = new Play(page, mark);
    const ids = ["heatmap", "devices", "sources", "audience", "scatter"];
    this.#cards = Object.fromEntries(ids.map((id) => [id, page.card(`trends-${id}`)]));
    this.#who.append(...AUDIENCE.map(({ by, name }) => new Option(name, by)));
    this.#who.addEventListener("change", () => page.choose({ who: this.#who.value }));
  }

  async read(signal) {
    const page = this.#page;
    const picked = page.picked();
    const totals = await page.read("/api/totals", picked, signal);
    const print = JSON.stringify([picked, totals.events, totals.users]);
    await this.play.read(picked, print, signal);
    if (print !== this.#print) await this.#readCards(picked, signal);
    this.#print = print;
    await this.#readAudience(picked, print, signal);
  }

  async #readCards(picked, signal) {
    const page = this.#page;
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
    this.#cards.scatter.show(scatterView((await readOrders(picked, null, signal)).byProduct, page));
  }

  /** By the dimension of the address; without one by the first that events say anything of. */
  async #readAudience(picked, print, signal) {
    const page = this.#page;
    const chosen = AUDIENCE.filter(({ by }) => by === page.own("who"));
    const asked = JSON.stringify([print, chosen]);
    if (asked === this.#audiencePrint) return;
    const read = (path, by) => page.read(path, { ...picked, by, limit: 50 }, signal).then(({ rows }) => rows);
    let shown = null;
    for (const { by } of chosen.length ? chosen : AUDIENCE) {
      const rows = await read("/api/breakdown", by);
      shown = { by, rows };
      if (stated(rows).length) break;
    }
    if (!stated(shown.rows).length) {
      // what users told of themselves, which their events do not repeat
      shown = { by: shown.by, told: true, rows: await read("/api/audience", shown.by) };
    }
    this.audience = shown;
    this.#who.value = shown.by;
    this.#cards.audience.show(audienceView(shown, page));
    this.#audiencePrint = asked;
  }
}
