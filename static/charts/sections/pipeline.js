// The section Pipeline: what waits, how much is stored and how soon, and whether all parts work. Its contract stands in
// page.js.

import { ReadError } from "../api.js";
import * as format from "../format.js";
import { healthOf, lagView, latencyView, milliseconds } from "../pipeline-views.js";
import { title } from "../palette.js";
import { rateView } from "../rate.js";
import { showFigure, showNote } from "../tiles.js";

/** Where nothing is stored, nothing tells that something has stopped. */
const LOOK = 5_000;
const LATELY = 10;

const PARTS = { postgresql: "PostgreSQL" };
const STATES = { ok: "works", warning: "works, but", trouble: "does not work" };

export class Pipeline {
  #page;
  #cards;
  #opened;

  constructor(page) {
    this.#page = page;
    this.#opened = page.clock.now();
    this.#cards = Object.fromEntries(["stored-rate", "lag", "latency"].map((id) => [id, page.card(id)]));
    // the seconds go on while nothing is stored
    setInterval(() => {
      if (page.state.section === "pipeline" && !document.hidden) this.#showRate();
    }, 1_000);
  }

  async read(signal) {
    const [pipeline, ready] = await Promise.all([this.#pipeline(signal), this.#ready(signal)]);
    this.#showHealth(healthOf(pipeline, ready));
    this.#showRate();
    if (pipeline instanceof ReadError) throw pipeline;
    const { lag, kafka, pending, latency } = pipeline;
    showFigure("lag", lag === null ? "–" : format.compact(lag), lag === null ? "" : format.count(lag));
    showFigure("latency-p99", milliseconds(latency.p99_ms));
    showNote("latency-p99", latency.events ? "99 of 100 events" : "no events in 5 minutes");
    showFigure("pending", format.compact(pending.without_users), format.count(pending.without_users));
    showNote("pending-sessions", `for users; for sessions ${format.compact(pending.without_sessions)}`);
    this.#cards.lag.show(lagView(kafka));
    this.#cards.latency.show(latencyView(latency));
    return LOOK;
  }

  /** Or why there is none: the parts are told all the same. */
  async #pipeline(signal) {
    try {
      return await this.#page.read("/api/pipeline", {}, signal);
    } catch (error) {
      if (error instanceof ReadError) return error;
      throw error;
    }
  }

  /** The answer of /readyz, which is worth reading when it is a 503, too. */
  async #ready(signal) {
    const response = await fetch("/readyz", { cache: "no-store", signal });
    return response.json();
  }

  #showHealth(findings) {
    const section = document.getElementById("health");
    section.dataset.state = "ready";
    section.querySelector("tbody").replaceChildren(
      ...findings.map(({ part, state, detail, remedy }) => {
        const line = document.createElement("tr");
        line.dataset.part = part;
        line.dataset.state = state;
        const sign = document.createElement("span");
        sign.className = state === "ok" ? "equal" : "differs";
        sign.textContent = `${state === "ok" ? "✓" : "!"} ${STATES[state]}`;
        for (const cell of [PARTS[part] ?? title(part), sign, detail, remedy ?? "–"]) line.insertCell().append(cell);
        return line;
      }),
    );
  }

  #showRate() {
    const { clock, stored } = this.#page;
    const now = clock.now();
    const list = stored.last(now);
    const lately = list.slice(-LATELY - 1, -1).reduce((sum, { events }) => sum + events, 0) / LATELY;
    showFigure("stored-now", lately && lately < 10 ? lately.toFixed(1) : format.compact(Math.round(lately)));
    // before the page was loaded it heard of nothing
    const heard = list.filter(({ second }) => second * 1_000 >= this.#opened);
    const view = rateView(list, clock.zone);
    const note = heard.length < list.length ? `Since this page was loaded, ${format.pause(now - this.#opened)} ago.` : "";
    this.#cards["stored-rate"].show({ ...view, note });
  }
}
