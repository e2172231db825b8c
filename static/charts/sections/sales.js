// The section Sales: what sells, to whom, where, and what became of it. Its template is
// templates/charts/sections/sales.html, its contract stands in page.js.

import { go, onAddress } from "../address.js";
import * as format from "../format.js";
import { currencies } from "../money.js";
import { nothing } from "../nothing.js";
import { barsView, failedView, pricesView } from "../sales-bars.js";
import { MEASURES, readChoice } from "../sales-figures.js";
import { mapView } from "../sales-map.js";
import { comparedRange, writeState } from "../state.js";
import { steps, takingsView } from "../takings.js";

export const ORDERS = "shopwindow simulate --profile orders";
export const TV = "shopwindow simulate --profile tv";
const MOST = 1000;
const CUSTOMERS = 50;
const SECOND = 1_000;
const MINUTE = 60_000;
/** While orders pour in, what is counted from all rows is counted no more often than this. */
const CUSTOMERS_AGE = 30_000;

/** The bars of a card beside the map, which is as high as three of them. */
const FEW = 6;

/** Cards of bars: the id of each, what its orders are told apart by, that in words, and what makes orders that tell it. */
export const BARS = [
  { id: "sales-types", by: "product", what: "Product", command: ORDERS },
  { id: "sales-products", by: "product_name", what: "Name", command: TV },
  { id: "sales-brands", by: "brand", what: "Brand", command: TV },
  { id: "sales-categories", by: "category", what: "Category", command: TV },
  { id: "sales-cities", by: "city", what: "City", command: TV, most: FEW },
  { id: "sales-countries", by: "country", what: "Country", command: TV, most: FEW },
  { id: "sales-payment", by: "payment_method", what: "Payment method", command: TV, most: FEW },
  { id: "sales-screens", by: "screen_size", what: "Screen", command: TV },
  { id: "sales-customers", by: "user_id", what: "Customer", command: ORDERS },
];

/** What else the card of screens may show. */
const SCREENS = [{ by: "display_type" }, { by: "resolution" }];

/** From so much revenue in an hour on, in any currency, it is said how much that is. */
const BUSY = [
  { from: 50_000, words: "very busy", color: "var(--bad)" },
  { from: 10_000, words: "busy", color: "var(--warm)" },
  { from: 0, words: "calm", color: "var(--good)" },
];
export const busyness = (amount) => BUSY.find(({ from }) => amount >= from) ?? BUSY.at(-1);

export class Sales {
  #page;
  #cards;
  #measure = document.getElementById("sales-measure");
  #currency = document.getElementById("sales-currency");
  #screen = document.getElementById("sales-screen");
  /** The figures that are shown, and what they were read for. */
  #shown = null;
  /** What comes in now. */
  #live = null;
  /** The answers of the cards, by dimension. */
  #answers = {};
  #customersAt = -Infinity;
  #customersStale = false;
  #us = null;

  constructor(page) {
    this.#page = page;
    const ids = ["sales-live", "sales-minutes", "sales-states", "sales-status", "sales-prices", ...BARS.map(({ id }) => id)];
    this.#cards = Object.fromEntries(ids.map((id) => [id, page.card(id)]));
    this.#measure.append(...MEASURES.map(({ key, name }) => new Option(name, key)));
    this.#measure.addEventListener("change", () => this.#choose({ measure: this.#measure.value }));
    this.#currency.addEventListener("change", () => this.#choose({ money: this.#currency.value }));
    this.#screen.addEventListener("change", () => this.#choose({ screen: this.#screen.value }));
    onAddress(() => this.#show());
  }

  #asked() {
    return JSON.stringify([this.#page.picked(), this.#page.compared()]);
  }

  #choose(change) {
    go(writeState(location.search, change));
  }

  async read(signal) {
    const page = this.#page;
    const picked = page.picked();
    const compared = page.compared();
    const asked = this.#asked();
    const sales = (parameters) => page.read("/api/sales", parameters, signal).then(({ rows }) => rows);
    const readBars = async (by) => {
      const limit = by === "user_id" ? CUSTOMERS : MOST;
      const [now, before] = await Promise.all([
        sales({ ...picked, by, limit }),
        compared && sales({ ...compared, by, limit: MOST }),
      ]);
      return { now, before };
    };
    // first what there is of any order; the many dimensions that few orders tell share the servers then
    const [[total], before, products] = await Promise.all([
      sales(picked),
      compared && sales(compared),
      readBars("product"),
    ]);
    const print = JSON.stringify([picked, compared, total]);
    const isNew = print !== this.#shown?.print;
    if (asked !== this.#shown?.asked) this.#customersAt = -Infinity;
    if (isNew) this.#customersStale = true;
    const customers = this.#customersStale && performance.now() - this.#customersAt > CUSTOMERS_AGE;
    // the cards stay as they are until theirs are read; unless all of them are, the next time reads them again
    this.#shown = { total, before: before?.[0], compared: Boolean(compared), asked, print: isNew ? null : print };
    this.#answers.product = products;
    this.#showFigures();
    this.#showBars("product");
    const rest = [...BARS, ...SCREENS].filter(({ by }) => by !== "product" && (by === "user_id" ? customers : isNew));
    await Promise.all([
      this.#readLive(signal),
      ...rest.map(async ({ by }) => {
        this.#answers[by] = await readBars(by);
        this.#showBars(by);
      }),
      isNew && this.#readOthers(picked, compared, sales, signal),
    ]);
    if (customers) {
      this.#customersAt = performance.now();
      this.#customersStale = false;
    }
    this.#shown.print = print;
    // bars of the last seconds go on without any event
    return SECOND;
  }

  async #readOthers(picked, compared, sales, signal) {
    const earlier = { ...picked, ...(compared ?? comparedRange(picked, "previous")) };
    const [failed, states, { rows: places }, before] = await Promise.all([
      sales({ ...picked, by: "status", limit: MOST }),
      sales({ ...picked, by: "state", limit: MOST }),
      this.#page.read("/api/places", { ...picked, limit: MOST }, signal),
      sales({ ...earlier, by: "product", limit: MOST }),
    ]);
    const versus = `vs ${format.dayRange(earlier.from, earlier.to, this.#page.clock.zone)}`;
    this.#answers.others = { failed, states, places, prices: { now: this.#answers.product.now, before, versus } };
    this.#showOthers();
  }

  /** Reads and shows the orders of the last 100 s and of the last hour, and what that hour brought in. */
  async #readLive(signal) {
    const page = this.#page;
    const now = page.clock.now();
    const narrowed = page.narrowed();
    const types = narrowed.event_type ?? ["order"];
    const windows = (size, since) =>
      page
        .read(
          "/api/windows",
          { ...narrowed, event_type: types.includes("order") ? ["order"] : types, kind: "tumbling", size, from: new Date(since).toISOString() },
          signal,
        )
        .then(({ rows }) => rows);
    const start = (step, length) => (Math.floor(now / step) - length + 1) * step;
    const [seconds, minutes, [hour]] = await Promise.all([
      windows("1s", start(SECOND, 100)),
      windows("1m", start(MINUTE, 60)),
      page.read("/api/sales", { ...narrowed, from: new Date(now - 60 * MINUTE).toISOString() }, signal).then(({ rows }) => rows),
    ]);
    this.#live = { seconds: steps(seconds, SECOND, 100, now), minutes: steps(minutes, MINUTE, 60, now), hour };
    this.#showLive();
  }

  /** Shows all that is known as the address wants it, if it is not others that it wants. */
  #show() {
    if (!this.#shown || this.#page.state.section !== "sales" || this.#asked() !== this.#shown.asked) return;
    this.#showFigures();
    this.#showLive();
    for (const { by } of [...BARS, ...SCREENS]) this.#showBars(by);
    this.#showOthers();
  }

  get #choice() {
    return readChoice(location.search, this.#shown.total?.amount ?? {});
  }

  #showFigures() {
    this.#showChoice(this.#choice);
    this.#showTiles();
    // without any order each of the others would say so
    const none = !this.#shown.total?.orders;
    document.getElementById("sales-none").hidden = !none;
    document.getElementById("sales-parts").hidden = none;
  }

  #showLive() {
    if (!this.#live) return;
    const { seconds, minutes, hour } = this.#live;
    const asked = { choice: this.#choice, zone: this.#page.clock.zone, command: ORDERS };
    this.#cards["sales-live"].show(takingsView(seconds, "second", asked));
    this.#cards["sales-minutes"].show(takingsView(minutes, "minute", asked));
    const amount = hour?.amount ?? {};
    const [main] = currencies(amount);
    write("sales-hour", [{ text: main ? format.moneyShort(amount[main], main) : format.moneyShort("0", "USD") }]);
    const { words, color } = busyness(Number(amount[main] ?? 0));
    note("sales-hour", words);
    document.getElementById("sales-mark").style.background = color;
  }

  /** The card of a dimension, when its answer is there; of screens the one that is chosen. */
  #showBars(by) {
    const answer = this.#answers[by];
    const screens = BARS.find(({ id }) => id === "sales-screens");
    const card = BARS.find((card) => card.by === by && card !== screens) ?? (this.#screen.value === by ? screens : null);
    if (!answer || !card) return;
    const { now, before } = answer;
    const cut = by === "user_id" && now.length === CUSTOMERS;
    const { what, command, most } = card;
    this.#cards[card.id].show(barsView(now, before, { by, what, choice: this.#choice, page: this.#page, command, most, cut }));
  }

  #showOthers() {
    if (!this.#answers.others) return;
    const { failed, states, places, prices } = this.#answers.others;
    const asked = { choice: this.#choice, page: this.#page };
    this.#cards["sales-status"].show(failedView(failed, { ...asked, command: TV }));
    this.#cards["sales-prices"].show(pricesView(prices.now, prices.before, { ...asked, versus: prices.versus, command: ORDERS }));
    this.#showMap(states, places, asked.choice);
  }

  async #showMap(rows, places, choice) {
    const card = this.#cards["sales-states"];
    try {
      // beside this script, and loaded when it is first wanted
      this.#us ??= import(new URL("./us.js", import.meta.url));
      card.show(mapView(rows, places, await this.#us, { choice, page: this.#page, command: ORDERS }));
    } catch (error) {
      // another try may find the server again
      this.#us = null;
      console.error(error);
      card.show(nothing("The map could not be loaded: reload the page to try again."));
    }
  }

  #showChoice({ measure, currency, known }) {
    this.#measure.value = measure.key;
    const names = known.length ? known : [currency];
    if (names.join() !== [...this.#currency.options].map(({ value }) => value).join()) {
      this.#currency.replaceChildren(...names.map((name) => new Option(name, name)));
    }
    this.#currency.value = currency;
    this.#currency.parentElement.hidden = names.length < 2;
    const screen = new URLSearchParams(location.search).get("screen");
    if ([...this.#screen.options].some(({ value }) => value === screen)) this.#screen.value = screen;
  }

  #showTiles() {
    const { total, before, compared } = this.#shown;
    const versus = compared ? this.#page.versus() : "";
    // averages stand in the order of the revenue above them
    const order = currencies(total?.amount ?? {});
    const money = (name, of, was) => {
      const lines = order.filter((currency) => of?.[currency] !== undefined);
      write(
        name,
        lines.map((currency) => ({ text: format.moneyShort(of[currency], currency), full: format.money(of[currency], currency) })),
      );
      const changes = lines.map((currency) => format.change(Number(of[currency]), Number(was?.[currency] ?? 0)));
      note(name, compared && lines.length ? `${changes.join(", ")} ${versus}` : "");
    };
    money("sales-revenue", total?.amount, before?.amount);
    money("sales-average", total?.average_order, before?.average_order);
    const count = (name, of, was) => {
      write(name, of === null || of === undefined ? [] : [{ text: format.compact(of), full: format.count(of) }]);
      note(name, compared && of ? `${format.change(of, was ?? 0)} ${versus}` : "");
    };
    count("sales-orders", total?.orders ?? 0, before?.orders);
    count("sales-units", total?.units, before?.units);
    const failed = (row) => (row?.orders ? row.failed / row.orders : 0);
    write("sales-failed", [{ text: format.percent(total?.failed ?? 0, total?.orders) }]);
    note(
      "sales-failed",
      compared ? `vs ${format.percent(before?.failed ?? 0, before?.orders)}` : failed(total) ? `${format.count(total.failed)} orders` : "",
    );
  }
}

const NONE = [{ text: "–" }];
/** A figure of a line a currency. */
function write(name, lines) {
  const element = document.querySelector(`[data-figure="${name}"]`);
  const shown = lines.length ? lines : NONE;
  element.dataset.lines = shown.length;
  element.replaceChildren(
    ...shown.map(({ text, full }) => {
      const line = document.createElement("span");
      line.textContent = text;
      if (full && full !== text) line.title = full;
      return line;
    }),
  );
}

function note(name, text) {
  const element = document.querySelector(`[data-note="${name}"]`);
  if (element.textContent !== text) element.textContent = text;
}
