// What the sections of the page share: the state in its address, and what they may ask of it.
//
// A section is a module of sections/ and a template of the same name:
//
//     export class Sales {
//       constructor(page) {}          // once, when the page is loaded: the template is there, the figures are not
//       async read(signal) {}         // reads and shows
//     }
//
// `read` is called while its section is the one that is shown: when it begins to be, when something was stored (paced,
// as all reads), and when what is picked has changed. It is never called twice at once. `signal` is aborted when the
// answer is of no use any more, and `page.read` then throws, which is to pass. What it throws is shown to the reader,
// and a ReadError whose `retry` is not false is tried again. It may resolve to a number of milliseconds after which it
// wants to be called again. Sections of ranges (all but Data and Pipeline) are called only when the range is known; what
// they show is hidden while there are no events in it.

import { go, onAddress } from "./address.js";
import { read } from "./api.js";
import { Card } from "./card.js";
import * as format from "./format.js";
import { writeRange } from "./range.js";
import { daysOf } from "./moments.js";
import { Seconds } from "./seconds.js";
import { COMPARING, comparedRange, readState, toggled, toggledAll, writeState } from "./state.js";

export class Page {
  /** The shop's clock: now(), today, zone. */
  clock;
  format = format;
  /** Events a second that were stored since the page was loaded, see seconds.js. */
  stored = new Seconds();
  /** What the address says, see state.js. */
  state = readState(location.search);
  #range;

  /** `range()` gives the range that is asked for, {from, to}, or null while it is not known. */
  constructor(clock, range) {
    this.clock = clock;
    this.#range = range;
    // the first to listen, so that all others find the new state
    onAddress(() => (this.state = readState(location.search)));
  }

  /** The Card of the `<section class="card">` with this id; a click on what its view can pick filters the page. */
  card(id) {
    return new Card(document.getElementById(id), (change) => this.choose(change));
  }

  /** The parameters that narrow all questions: filters, each with a list of its values, and tz where it is not the shop's. */
  narrowed() {
    const { filters, tz } = this.state;
    return tz ? { ...filters, tz } : { ...filters };
  }

  /**
   * The parameters of the section's questions, {from, to, tz?, filters…}; null while the range is not known. Its bounds
   * are days, or both are moments, as of the last hour: see range.js.
   */
  picked() {
    const range = this.#range();
    return range && { ...this.narrowed(), from: range.from, to: range.to };
  }

  /** The days of the zone, {from, to}, that the range has a part of; null while it is not known. */
  days() {
    const range = this.#range();
    return range && daysOf(range, this.clock.zone);
  }

  /** The same as picked() for the period of comparison; null where nothing is compared, as in sections that compare nothing. */
  compared(of = this.#range()) {
    const range = COMPARING.includes(this.state.section) && of;
    const before = range && comparedRange(range, this.state.compare);
    return before ? { ...this.narrowed(), ...before } : null;
  }

  /** A parameter of the address that is a section's own, as which dimension it shows; null where it has none. */
  own(name) {
    return new URLSearchParams(location.search).get(name) || null;
  }

  /** The period of comparison in words, as "vs 12 – 18 Nov 2018"; "" where nothing is compared. */
  versus() {
    const before = this.compared();
    return before ? `vs ${format.dayRange(before.from, before.to, this.clock.zone)}` : "";
  }

  /**
   * Changes the address as if the reader had: {product: "clothes"} filters, {product: null} takes the filter off,
   * {from, to} sets the range, and section, compare and tz are what they are called.
   */
  choose(change) {
    const { from, to, ...rest } = change;
    const search = from || to ? writeRange(location.search, { from, to }) : location.search;
    go(writeState(search === "/" ? "" : search, rest));
  }

  /** The change that a click on a value of a dimension makes: filter by it, or no longer. */
  toggle(dimension, value) {
    return toggled(this.state.filters, dimension, value);
  }

  /** The same for values of several dimensions at once, {product: "clothes", site_version: "mobile"}. */
  toggleAll(values) {
    return toggledAll(this.state.filters, values);
  }

  /** The JSON at a path of the API, see api.js. */
  read(path, parameters, signal) {
    return read(path, parameters, signal);
  }
}
