// The shop's clock: the server's time and the shop's calendar day, whatever this computer believes.

import { read } from "./api.js";
import { dayOf } from "./format.js";

export class ShopClock {
  #offset = 0;
  #tomorrow = Infinity;
  #reading = null;
  /** The day that those know who asked last. */
  #seen = null;

  /** The zone that the reader has chosen; null for the shop's. */
  #chosen = null;
  #day = null;

  constructor(zone, today) {
    this.shopZone = zone;
    this.#day = today;
  }

  /** The zone of the days that are shown: the one that was chosen, or the shop's. */
  get zone() {
    return this.#chosen ?? this.shopZone;
  }

  /** The day there; falsy while not even the shop's is known. */
  get today() {
    return this.#day && this.#chosen ? dayOf(new Date(this.now()), this.#chosen) : this.#day;
  }

  /** Shows days of another zone, or of the shop's (null). */
  choose(zone) {
    this.#chosen = zone;
    this.#seen = this.today;
  }

  /** Milliseconds since the epoch, by the server's clock. */
  now() {
    return Date.now() + this.#offset;
  }

  /** Whether the day that is known has ended. */
  isOver() {
    return this.now() >= this.#tomorrow || (this.#chosen !== null && this.today !== this.#seen);
  }

  /** Asks the server; resolves to whether the day or the zone is another one now. */
  synchronize() {
    this.#reading ??= this.#synchronize().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #synchronize() {
    const asked = Date.now();
    const shop = await read("/api/shop");
    const answered = Date.now();
    this.#offset = Date.parse(shop.now) - (asked + answered) / 2;
    this.#tomorrow = Date.parse(shop.tomorrow_starts_at);
    const changed = shop.today !== this.#day || shop.tz !== this.shopZone || (this.#chosen && this.today !== this.#seen);
    this.#day = shop.today;
    this.shopZone = shop.tz;
    this.#seen = this.today;
    return Boolean(changed);
  }
}
