// The play of days: a range of Trends day by day. The day stands in the address as `day`; without it nothing is read.

import { go } from "./address.js";
import * as format from "./format.js";
import { advance, dayView, placeOf, playDays, SPEEDS } from "./play-days.js";
import { isTimed } from "./range.js";
import { writeState } from "./state.js";

// a browser refuses to have its address written much more often
const WRITING = 1_000;

export class Play {
  #page;
  #card;
  #mark;
  #read = null;
  #print = null;
  #at = 0;
  #frame = null;
  #written = 0;
  #waiting = false;
  #section = document.getElementById("play");
  #button = document.getElementById("play-start");
  #slider = document.getElementById("play-at");
  #said = document.getElementById("play-day");
  #speed = document.getElementById("play-speed");
  #close = document.getElementById("play-end");
  #steps = [...document.querySelectorAll("#play [data-step]")];

  /** `mark(day)` marks a day in the charts over time, or none for null. */
  constructor(page, mark) {
    this.#page = page;
    this.#card = page.card("play");
    this.#mark = mark;
    this.#speed.append(...SPEEDS.map((n) => new Option(`${n} ${n === 1 ? "day" : "days"} a second`, n)));
    this.#speed.value = SPEEDS[1];
    this.#button.addEventListener("click", () => this.toggle());
    this.#slider.addEventListener("input", () => {
      this.pause();
      this.#show(Number(this.#slider.value));
      this.#writeSoon();
    });
    this.#slider.addEventListener("change", () => this.#write());
    for (const step of this.#steps) {
      step.addEventListener("click", () => {
        this.pause();
        this.#show(this.#at + Number(step.dataset.step));
        this.#write();
      });
    }
    this.#close.addEventListener("click", () => {
      // the button is about to go
      this.#button.focus();
      page.choose({ day: null });
    });
  }

  /** Begins where the page is at, from the first day again after the last, or pauses. */
  toggle() {
    if (!this.#read) {
      const days = this.#page.days();
      if (!days) return;
      this.#waiting = true;
      this.#showButton();
      if (this.#page.own("day") === null) this.#page.choose({ day: days.from });
      return;
    }
    if (this.#frame !== null) {
      this.pause();
      this.#write();
      return;
    }
    const last = this.#read.days.length - 1;
    let state = { at: this.#at >= last ? 0 : this.#at, rest: 0 };
    this.#show(state.at);
    let before = performance.now();
    const step = (now) => {
      state = advance(state, now - before, Number(this.#speed.value), this.#read.days.length - 1);
      before = now;
      if (state.at !== this.#at) this.#show(state.at);
      this.#frame = requestAnimationFrame(step);
      this.#writeSoon();
      if (!state.over) return;
      this.pause();
      this.#write();
    };
    this.#frame = requestAnimationFrame(step);
    this.#showButton();
  }

  pause() {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.#showButton();
  }

  /** The address is another one: its day is shown, or none. */
  addressChanged() {
    const day = this.#page.state.section === "trends" ? this.#page.own("day") : null;
    if (day === null) {
      this.#waiting = false;
      this.pause();
      this.#read = this.#print = null;
      this.#showClosed();
    } else if (this.#read && this.#frame === null) {
      this.#show(placeOf(this.#read.days, day));
    }
  }

  /** Reads the days of what is picked where a day is asked for; `print` tells whether its figures have changed. */
  async read(picked, print, signal) {
    const timed = isTimed(picked.from);
    this.#section.hidden = timed;
    const day = timed ? null : this.#page.own("day");
    if (day === null) return this.addressChanged();
    if (this.#print === print) return;
    const by = (dimension) =>
      this.#page.read("/api/breakdown", { ...picked, by: dimension, limit: 50 }, signal).then(({ rows }) => rows);
    const stated = (rows, most) => rows.filter(({ value }) => value !== null).slice(0, most);
    // one question after the other, each for all days
    const daily = async (dimension, rows) => {
      const list = [];
      for (const { value } of rows) {
        const answer = await this.#page.read("/api/daily", { ...picked, [dimension]: value }, signal);
        list.push([value, answer.rows]);
      }
      return list;
    };
    const { rows: all } = await this.#page.read("/api/daily", picked, signal);
    const products = (await by("product")).filter(({ order }) => order > 0).sort((a, b) => b.order - a.order);
    const figures = {
      all,
      products: await daily("product", stated(products, 7)),
      devices: await daily("site_version", stated(await by("site_version"), 4)),
      sources: await daily("traffic_source", stated(await by("traffic_source"), 6)),
    };
    this.#read = playDays(figures);
    this.#print = print;
    // who plays goes on where the play is
    const at = this.#frame === null ? placeOf(this.#read.days, this.#page.own("day") ?? day) : this.#at;
    this.#show(at);
    if (this.#waiting) {
      this.#waiting = false;
      this.toggle();
    }
  }

  #show(at) {
    const { days } = this.#read;
    this.#at = Math.max(0, Math.min(days.length - 1, at));
    this.#section.dataset.open = "";
    const words = format.dayLong(days[this.#at]);
    this.#slider.max = days.length - 1;
    this.#slider.value = this.#at;
    this.#slider.setAttribute("aria-valuetext", words);
    this.#said.textContent = words;
    this.#slider.disabled = this.#close.hidden = false;
    for (const step of this.#steps) {
      const next = this.#at + Number(step.dataset.step);
      // not disabled, for that would take the focus away
      step.setAttribute("aria-disabled", next < 0 || next >= days.length);
    }
    this.#card.show(dayView(this.#read, this.#at));
    this.#mark(days[this.#at]);
  }

  #showClosed() {
    delete this.#section.dataset.open;
    this.#slider.disabled = this.#close.hidden = true;
    this.#said.textContent = "";
    for (const step of this.#steps) step.setAttribute("aria-disabled", true);
    this.#section.dataset.state = "ready";
    this.#mark(null);
  }

  #showButton() {
    const playing = this.#frame !== null;
    this.#button.textContent = playing ? "Pause" : this.#waiting ? "Reading…" : "Play";
    // twelve days a second are no words
    this.#said.setAttribute("aria-live", playing ? "off" : "polite");
  }

  /** Writes the day into the address without telling, for what tells draws all charts. */
  #writeSoon() {
    const now = performance.now();
    if (now - this.#written < WRITING) return;
    this.#written = now;
    history.replaceState(history.state, "", this.#search());
  }

  #write() {
    go(this.#search(), { replace: true });
  }

  #search() {
    return writeState(location.search, { day: this.#read.days[this.#at] });
  }
}
