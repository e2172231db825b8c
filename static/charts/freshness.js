// The sign that says how fresh the figures are.

import * as format from "./format.js";

const sign = document.getElementById("fresh");
const text = document.getElementById("fresh-text");
const said = document.getElementById("fresh-said");
const trouble = document.getElementById("trouble");

// after this long the time of the last event says more than its age
const RECENT = 3_600_000;

export class Freshness {
  #clock;
  #connected = false;
  #lastGood = null;
  #lastEvent = null;
  #failures = new Map();

  constructor(clock) {
    this.#clock = clock;
  }

  connected(is) {
    if (is || this.#connected) this.#lastGood = this.#clock.now();
    this.#connected = is;
    this.show();
  }

  /** Something was stored at this moment. */
  stored(time) {
    const at = Date.parse(time);
    if (!(at <= this.#lastEvent)) this.#lastEvent = at;
    this.show();
  }

  /** A read of `what` went well (null) or failed; it is tried again after `pause`, or not (null). */
  outcome(what, error, pause) {
    if (error) this.#failures.set(what, { reason: error.reason ?? String(error), pause });
    else this.#failures.delete(what);
    this.show();
  }

  /** What could not be read and why, each reason once. */
  #trouble() {
    const reasons = new Map();
    for (const [what, { reason, pause }] of this.#failures) {
      const known = reasons.get(reason) ?? { all: [], pause };
      reasons.set(reason, { all: [...known.all, what], pause: known.pause ?? pause });
    }
    return [...reasons]
      .map(([reason, { all, pause }]) => {
        const next = pause === null ? "" : ` Trying again in ${format.pause(pause)}.`;
        return `Could not read ${all.join(" and ")}: ${reason}.${next}`;
      })
      .join(" ");
  }

  /** Called once a second, too. */
  show() {
    const failed = this.#failures.size > 0;
    const now = this.#clock.now();
    let state = "live";
    if (!this.#connected || failed) state = this.#lastGood === null ? "connecting" : "stale";
    else this.#lastGood = now;

    if (sign.dataset.state !== state) {
      sign.dataset.state = state;
      said.textContent = { live: "Figures are live", stale: "Figures are stale, reconnecting", connecting: "" }[state];
    }
    const shown = {
      live: this.#age(now),
      stale: `Stale since ${this.#time(this.#lastGood)}, reconnecting`,
      connecting: "Connecting…",
    }[state];
    if (text.textContent !== shown) text.textContent = shown;

    const message = this.#trouble();
    trouble.hidden = !failed;
    if (trouble.textContent !== message) trouble.textContent = message;
  }

  #age(now) {
    if (this.#lastEvent === null) return "Live · no events yet";
    const age = now - this.#lastEvent;
    return `Live · last event ${age < RECENT ? `${format.pause(age)} ago` : this.#time(this.#lastEvent)}`;
  }

  #time(time) {
    return time === null ? "" : format.moment(new Date(time), this.#clock.zone, this.#clock.today);
  }
}
