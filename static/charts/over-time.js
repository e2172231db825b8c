// The charts over time: any range, chosen in the picker, read when something was stored.

import { read, ReadError } from "./api.js";
import { dailyView } from "./daily.js";
import { deviceChoices, devicesView } from "./devices.js";
import * as format from "./format.js";
import { orderedProducts, ordersView } from "./orders.js";
import { EVENT_TYPES } from "./palette.js";
import { parts } from "./parts.js";
import { showParts } from "./parts-table.js";
import { Picker, stretchName } from "./picker.js";
import { buckets, resolve, stretches, writeRange } from "./range.js";
import { comparedRange } from "./state.js";
import { showRange } from "./tiles.js";

// All days are a long list: while events pour in it is read no more often than this.
const OVERVIEW_AGE = 15_000;
// Nothing tells when users are counted that were pending: it is looked, ever more seldom if it takes long.
const FIRST_LOOK = 1_000;
const LAST_LOOK = 15_000;

const sumOf = (row) => EVENT_TYPES.reduce((sum, { key }) => sum + row[key], 0);

export class OverTime {
  #clock;
  #cards;
  #picker;
  /** What is known of all data: its days, its stretches, and the totals that they were read at. */
  #overview = null;
  /** What the charts show, and the totals that they were read at. */
  #shown = null;
  #look = FIRST_LOOK;
  #device = document.getElementById("device");

  #page;

  /** `restart()` is called when the reader chooses a range, or filters, that are not read yet. */
  constructor(clock, cards, page, restart) {
    this.#page = page;
    this.#clock = clock;
    this.#cards = cards;
    this.#picker = new Picker(() => {
      // a change of grouping or device needs no reading
      const wanted = this.#overview && this.#wanted();
      if (this.#shown?.charted && JSON.stringify(wanted) === JSON.stringify(this.#shown.range)) this.#show();
      else restart();
    });
    this.#device.addEventListener("change", () => this.#picker.chooseDevice(this.#device.value));
    document.getElementById("range-empty").addEventListener("click", (event) => this.#picker.follow(event));
  }

  /** Whether what is shown grows as today goes on. */
  holdsToday() {
    const { today } = this.#clock;
    return this.#shown !== null && this.#shown.range.from <= today && this.#shown.range.to > today;
  }

  /** The parameters of what the reader asks for. */
  #wanted() {
    return { ...resolve(this.#picker.wish, this.#overview), ...this.#page.narrowed() };
  }

  /** The range that is shown, with filters and zone, and a print of its figures; null while there is none. */
  get figures() {
    if (this.#shown === null) return null;
    const { range, print, usersPrint } = this.#shown;
    return { range, print: print + usersPrint };
  }

  /** Others have changed the address, which the links to ranges keep. */
  addressChanged() {
    if (this.#shown) this.#showChoice();
  }

  /** Says where the data is when the range has none; returns whether it has none. */
  #showEmpty() {
    const { range, totals } = this.#shown;
    const nothing = sumOf(totals.events) === 0;
    document.getElementById("ranged").hidden = nothing;
    document.getElementById("range-empty").hidden = !nothing;
    if (nothing) this.#offerData(range);
    return nothing;
  }

  /** The day has changed: says whether the range went along, and is being read. */
  dayChanged(before) {
    return this.#picker.dayChanged(before, this.#clock.today);
  }

  /**
   * Reads and shows what has changed. Figures of days long gone change only while an old file is
   * replayed, so one small thing is read first, the totals, and the rest only when these have changed.
   * Resolves to {empty} of all data, {nothing} of the range, and {again} where it wants to be called again in so many milliseconds.
   */
  async read(signal) {
    const totals = await read("/api/totals", this.#zoneOnly(), signal);
    if (sumOf(totals.events) === 0) {
      this.#overview = this.#shown = null;
      return { empty: true };
    }
    const again = await this.#readOverview(totals, signal);
    try {
      await this.#readFigures(this.#wanted(), signal);
    } catch (error) {
      if (error instanceof ReadError && !error.retry) this.#picker.showWrong(error.reason);
      throw error;
    }
    return { empty: false, nothing: sumOf(this.#shown.totals.events) === 0, again: this.#shown.totals.pending ? this.#look : again };
  }

  /** Where data is does not depend on filters. */
  #zoneOnly() {
    const { tz } = this.#page.state;
    return tz ? { tz } : {};
  }

  /** Reads all days where that is due; else says in how many milliseconds it will be. */
  async #readOverview(totals, signal) {
    const { zone } = this.#clock;
    const print = JSON.stringify([totals.events, zone]);
    const known = this.#overview;
    if (known?.print === print) return undefined;
    const bounds = [totals.first, totals.last].map((time) => format.dayOf(new Date(time), zone)).join();
    const age = known ? performance.now() - known.readAt : Infinity;
    if (known?.bounds === bounds && age < OVERVIEW_AGE) return OVERVIEW_AGE - age;
    const { rows } = await read("/api/daily", this.#zoneOnly(), signal);
    const found = stretches(rows, sumOf);
    if (!found.length) throw new ReadError("/api/daily", "it has no day with events, though there are events", true);
    this.#overview = {
      from: found[0].from,
      to: found.at(-1).to,
      stretches: found,
      print,
      bounds,
      readAt: performance.now(),
    };
    return undefined;
  }

  async #readFigures(range, signal) {
    const totals = await read("/api/totals", range, signal);
    const before = comparedRange(range, this.#page.state.compare);
    if (before) {
      const { events } = await read("/api/totals", { ...this.#page.narrowed(), ...before }, signal);
      totals.compared = { events, versus: `vs ${format.dayRange(before.from, before.to)}` };
    }
    const print = JSON.stringify([totals.events, totals.amount, totals.compared, range, this.#clock.zone, this.#clock.today]);
    const usersPrint = JSON.stringify([totals.users, totals.pending]);
    const known = this.#shown;
    const inTrends = this.#page.state.section === "trends";
    if (!inTrends) {
      // other sections read their own figures of the range
      this.#shown = { range, totals, print, usersPrint, charted: false };
      this.#showChoice();
      return this.#showEmpty();
    }
    if (known?.charted && known.print === print && known.usersPrint === usersPrint) {
      this.#look = Math.min(LAST_LOOK, 2 * this.#look);
      return this.#showChoice();
    }
    this.#look = FIRST_LOOK;
    if (known?.charted && known.print === print) {
      // the events are those that are shown, only their users have been counted since
      const [products, devices] = await Promise.all([readProducts(range, signal), readDevices(range, signal)]);
      this.#shown = { ...known, totals, usersPrint, products, ...devices };
      this.#showChoice();
      return this.#showParts();
    }
    // two at a time, for browsers open six connections and today's figures want theirs
    const [days, orders] = await Promise.all([readDays(range, signal), readOrders(range, signal)]);
    this.#shown = { range, totals, print, usersPrint, charted: true, ...days, ...orders };
    this.#show();
  }

  #showChoice() {
    const { range, totals } = this.#shown;
    const { today, zone } = this.#clock;
    this.#picker.show(range, { today, zone, overview: this.#overview, events: sumOf(totals.events) });
    showRange(totals, range, zone);
  }

  #show() {
    const { range, all, devices, byProduct } = this.#shown;
    this.#showChoice();
    if (this.#showEmpty()) return;

    const { today } = this.#clock;
    const group = this.#picker.groupOf(range);
    const list = buckets(range.from, range.to, group);
    this.#cards.orders.show(ordersView({ all, byProduct, list, group, today, page: this.#page }));
    this.#cards.daily.show(dailyView({ all, list, group, today }));
    this.#showDevices(devices);
    this.#showParts();
  }

  #showParts() {
    const { products, devices, onDevice, totals } = this.#shown;
    showParts(parts({ products, devices, onDevice, total: { ...totals.events, users: totals.users } }));
  }

  #showDevices(rows) {
    const choices = deviceChoices(rows);
    const choice = choices.some(([key]) => key === this.#picker.device) ? this.#picker.device : "all";
    const offered = [...this.#device.options].map((option) => option.value);
    if (choices.map(([key]) => key).join() !== offered.join()) {
      this.#device.replaceChildren(...choices.map(([key, name]) => new Option(name, key)));
    }
    this.#device.value = choice;
    this.#cards.devices.show(devicesView(rows, choice, this.#page));
  }

  #offerData(range) {
    const filtered = Object.keys(this.#page.state.filters).length > 0;
    document.getElementById("range-empty-words").textContent =
      `Nothing ${filtered ? "that passes the filters " : ""}happened in this range, ${format.dayRange(range.from, range.to)}. ${filtered ? "Remove a filter above, or look where there is data:" : "There is data here:"}`;
    document.getElementById("range-empty-links").replaceChildren(
      ...this.#overview.stretches.map((stretch) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.className = "button";
        link.href = writeRange(location.search, stretch);
        link.dataset.choice = "stretch";
        link.textContent = `${stretchName(stretch)} · ${format.compact(stretch.events)} events`;
        item.append(link);
        return item;
      }),
    );
  }
}

async function readDays(range, signal) {
  const { rows } = await read("/api/daily", range, signal);
  return { all: rows, ...(await readDevices(range, signal)) };
}

/** The devices, and the products on each. */
export async function readDevices(range, signal) {
  const { rows } = await read("/api/breakdown", { ...range, by: "site_version", limit: 1000 }, signal);
  const onDevice = [];
  for (const { value } of rows) {
    if (value !== null) onDevice.push([value, await readProducts({ ...range, site_version: value }, signal)]);
  }
  return { devices: rows, onDevice };
}

/** The products of what is picked. */
export async function readProducts(picked, signal) {
  return (await read("/api/breakdown", { ...picked, by: "product", limit: 1000 }, signal)).rows;
}

/** The products, and those that are shown with the daily rows of their orders. */
export async function readOrders(range, signal) {
  const products = await readProducts(range, signal);
  const byProduct = [];
  for (const product of orderedProducts(products)) {
    byProduct.push([product, (await read("/api/daily", { event_type: "order", ...range, product }, signal)).rows]);
  }
  return { products, byProduct };
}
