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
import { bucketsOf, daysOf, ofOneKind, startOf } from "./moments.js";
import { addDays, FINE, fineKey, PRESETS, resolve, stretches, sumBy, withoutPauses, writeRange } from "./range.js";
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
  /** The buckets that are shown, and the day that is marked in them. */
  #list = [];
  #marked = null;

  #page;

  /** `restart()` is called when the reader chooses a range, or filters, that are not read yet. */
  constructor(clock, cards, page, restart) {
    this.#page = page;
    this.#clock = clock;
    this.#cards = cards;
    this.#picker = new Picker(() => {
      // a change of grouping or device mostly needs no reading
      const wanted = this.range;
      const known = this.#shown?.charted && this.#shown.resolution === this.#resolution(wanted);
      if (known && JSON.stringify(wanted) === JSON.stringify(this.#shown.range)) this.#show();
      else restart();
    });
    this.#device.addEventListener("change", () => this.#picker.chooseDevice(this.#device.value));
    document.getElementById("range-empty").addEventListener("click", (event) => this.#picker.follow(event));
  }

  /** Whether what is shown grows as today goes on. */
  holdsToday() {
    const { today, zone } = this.#clock;
    const days = this.#shown && daysOf(this.#shown.range, zone);
    return days !== null && days.from <= today && days.to > today;
  }

  /** The parameters of what the reader asks for. */
  #wanted() {
    const { zone } = this.#clock;
    return { ...ofOneKind(resolve(this.#picker.wish, this.#overview, this.#clock.now()), zone), ...this.#page.narrowed() };
  }

  /** The fine group that figures of the range are read by; null for days, of which all others are made. */
  #resolution(range) {
    const group = this.#picker.groupOf(range);
    return FINE[group] ? group : null;
  }

  /** Milliseconds until a range such as the last hour moves on; none for others. */
  #moves() {
    const step = PRESETS.find(({ key }) => key === this.#picker.wish.last)?.step;
    return step && step - (this.#clock.now() % step);
  }

  /** The fine group of the charts over time of that range; null where they are of days. */
  get resolution() {
    return this.range && this.#resolution(this.range);
  }

  /** The range that is asked for, as far as that is known without reading; null where it is not. */
  get range() {
    return this.#overview && this.#wanted();
  }

  /** The range that is shown, with filters and zone, and a print of its figures; null while there is none. */
  get figures() {
    if (this.#shown === null) return null;
    const { range, print, usersPrint } = this.#shown;
    return { range, print: print + usersPrint };
  }

  /** Marks a day in the charts over time, or none for null. */
  mark(day) {
    this.#marked = day;
    const has = ({ from, to, day: own }) => (own ? own === day : from <= day && to > day);
    const places = day === null ? [-1] : [this.#list.findIndex(has), this.#list.findLastIndex(has)];
    for (const name of ["orders", "daily"]) this.#cards[name].mark(places[0] < 0 ? null : places);
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
    // where data is mostly is known, and the figures need not wait for it
    const early = this.range;
    const reading = early && this.#readFigures(early, signal);
    reading?.catch(() => {});
    const totals = await read("/api/totals", this.#zoneOnly(), signal);
    if (sumOf(totals.events) === 0) {
      await reading?.catch(() => {});
      this.#overview = this.#shown = null;
      return { empty: true };
    }
    const again = await this.#readOverview(totals, signal);
    try {
      await reading;
      const wanted = this.#wanted();
      if (JSON.stringify(wanted) !== JSON.stringify(early)) await this.#readFigures(wanted, signal);
    } catch (error) {
      if (error instanceof ReadError && !error.retry) this.#picker.showWrong(error.reason);
      throw error;
    }
    const looks = [this.#shown.totals.pending ? this.#look : again, this.#moves(), this.#shown.isEarly ? FIRST_LOOK : undefined].filter((pause) => pause !== undefined);
    return { empty: false, nothing: sumOf(this.#shown.totals.events) === 0, again: looks.length ? Math.min(...looks) : undefined };
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
    const before = this.#page.compared(range);
    const resolution = this.#resolution(range);
    const inTrends = this.#page.state.section === "trends";
    const isOther = JSON.stringify(range) !== JSON.stringify(this.#shown?.range);
    const readAll = async () => {
      const [all, earlier] = await Promise.all([
        readCounts(range, resolution, signal),
        before && readCounts(before, resolution, signal),
      ]);
      // the largest card need not wait for the others, nor share the servers with them
      if (isOther && !before && all.some(sumOf)) this.#cards.daily.show(dailyView(this.#inBuckets(range, all)));
      const [devices, orders] = await Promise.all([
        readDevices(range, signal),
        readOrders(range, resolution, signal),
      ]);
      return { all, earlier, ...devices, ...orders };
    };
    // Another range or filter has other figures, which need not wait for its totals. They may be older than these,
    // so they are read once more.
    const reading = inTrends && isOther ? readAll() : null;
    reading?.catch(() => {});
    const [totals, totalsBefore] = await Promise.all([
      read("/api/totals", range, signal),
      before && read("/api/totals", before, signal),
    ]);
    if (before) {
      const { events } = totalsBefore;
      const period = format.dayRange(before.from, before.to, this.#clock.zone);
      totals.compared = { events, period, versus: `vs ${period}` };
    }
    const print = JSON.stringify([totals.events, totals.amount, totals.compared, range, resolution, this.#clock.zone, this.#clock.today]);
    const usersPrint = JSON.stringify([totals.users, totals.pending]);
    const known = this.#shown;
    if (!inTrends) {
      // other sections read their own figures of the range
      this.#shown = { range, totals, print, usersPrint, charted: false };
      this.#showChoice();
      return this.#showEmpty();
    }
    const isKnown = known?.charted && known.print === print && !known.isEarly;
    if (isKnown && known.usersPrint === usersPrint) {
      this.#look = Math.min(LAST_LOOK, 2 * this.#look);
      return this.#showChoice();
    }
    this.#look = FIRST_LOOK;
    if (isKnown) {
      // the events are those that are shown, only their users have been counted since
      const [products, devices] = await Promise.all([readProducts(range, signal), readDevices(range, signal)]);
      this.#shown = { ...known, totals, usersPrint, products, ...devices };
      this.#showChoice();
      return this.#showParts();
    }
    const { earlier, ...figures } = await (reading ?? readAll());
    const compared = before && this.#moved(earlier, before, range, resolution);
    const isEarly = reading !== null;
    this.#shown = { range, totals, print, usersPrint, resolution, compared, charted: true, isEarly, ...figures };
    this.#show();
  }

  /** Rows of the period of comparison, each at the day or the moment of the range that it is compared with. */
  #moved(rows, before, range, resolution) {
    const { zone } = this.#clock;
    if (resolution) {
      const by = startOf(range.from, zone) - startOf(before.from, zone);
      return rows.map((row) => ({ ...row, day: fineKey(Date.parse(row.day) + by, resolution) }));
    }
    const { from } = daysOf(range, zone);
    return rows.map((row, i) => ({ ...row, day: addDays(from, i) }));
  }

  #showChoice() {
    const { range, totals } = this.#shown;
    const { today, zone } = this.#clock;
    this.#picker.show(range, { today, zone, overview: this.#overview, events: sumOf(totals.events) });
    showRange(totals, range, zone);
  }

  #show() {
    const { range, all, devices, byProduct, compared, totals } = this.#shown;
    this.#showChoice();
    if (this.#showEmpty()) return;

    const shown = this.#inBuckets(range, all, compared && { rows: compared, ...totals.compared });
    this.#cards.orders.show(ordersView({ ...shown, byProduct }));
    this.#cards.daily.show(dailyView(shown));
    this.#list = shown.list;
    this.mark(this.#marked);
    this.#showDevices(devices);
    this.#showParts();
  }

  /** What the charts over time take, of rows of counts by day or by the key of a fine group. */
  #inBuckets(range, all, compared) {
    const { zone, today } = this.#clock;
    const group = this.#picker.groupOf(range);
    const whole = bucketsOf(range, group, zone);
    const counted = sumBy([...all, ...(compared?.rows ?? [])], whole, group, sumOf);
    return {
      all,
      list: FINE[group] ? whole : withoutPauses(whole, counted.map((n) => n > 0)),
      group,
      today: FINE[group] ? new Date(this.#clock.now()).toISOString() : today,
      period: format.dayRange(range.from, range.to, zone),
      compared,
      page: this.#page,
    };
  }

  #showParts() {
    const { products, devices, onDevice, totals } = this.#shown;
    showParts(parts({ products, devices, onDevice, total: { ...totals.events, users: totals.users } }), this.#page);
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
      `Nothing ${filtered ? "that passes the filters " : ""}happened in this range, ${format.dayRange(range.from, range.to, this.#clock.zone)}. ${filtered ? "Remove a filter above, or look where there is data:" : "There is data here:"}`;
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

const SIZES = { minute: "1m", quarter: "15m", hour: "1h" };
const NONE = Object.fromEntries(EVENT_TYPES.map(({ key }) => [key, 0]));

/** The question for the windows of a fine group, which begin where its buckets do. */
export const finely = (range, resolution, by) => ({ ...range, kind: "tumbling", size: SIZES[resolution], group_by: by, limit: 50_000 });
const keyOf = (row, resolution) => fineKey(Date.parse(row.window_start), resolution);

/** Rows of counts by event type: a row a day, or a row for each window with events of a type. */
async function readCounts(range, resolution, signal) {
  if (!resolution) return (await read("/api/daily", range, signal)).rows;
  const { rows } = await read("/api/windows", finely(range, resolution, "event_type"), signal);
  return rows.map((row) => ({ ...NONE, day: keyOf(row, resolution), [row.group]: row.events }));
}

/** The devices, and the products on each. */
export async function readDevices(range, signal) {
  const { rows } = await read("/api/breakdown", { ...range, by: "site_version", limit: 1000 }, signal);
  const named = rows.map(({ value }) => value).filter((value) => value !== null);
  const products = (value) => readProducts({ ...range, site_version: value }, signal);
  const onDevice = await Promise.all(named.map(async (value) => [value, await products(value)]));
  return { devices: rows, onDevice };
}

/** The products of what is picked. */
export async function readProducts(picked, signal) {
  return (await read("/api/breakdown", { ...picked, by: "product", limit: 1000 }, signal)).rows;
}

/** The products, and those that are shown with the rows of their orders by day or in a fine group. */
export async function readOrders(range, resolution, signal) {
  const products = await readProducts(range, signal);
  if (resolution) {
    const byProduct = [];
    const { rows } = await read("/api/windows", finely(range, resolution, "product"), signal);
    for (const product of orderedProducts(products)) {
      const own = rows.filter(({ group }) => group === product);
      byProduct.push([product, own.map((row) => ({ day: keyOf(row, resolution), order: row.orders }))]);
    }
    return { products, byProduct };
  }
  const days = async (product) => (await read("/api/daily", { event_type: "order", ...range, product }, signal)).rows;
  return { products, byProduct: await Promise.all(orderedProducts(products).map(async (product) => [product, await days(product)])) };
}
