// The shop's clock: the server's time and the shop's calendar day, whatever this computer believes.

import { read } from "./api.js";

export class ShopClock {
  #offset = 0;
  #tomorrow = Infinity;
  #reading = null;

  constructor(zone, today) {
    this.zone = zone;
    this.today = today;
  }

  /** Milliseconds since the epoch, by the server's clock. */
  now() {
    return Date.now() + this.#offset;
  }

  /** Whether the day that is known has ended. */
  isOver() {
    return this.now() >= this.#tomorrow;
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
    const changed = shop.today !== this.today || shop.tz !== this.zone;
    this.today = shop.today;
    this.zone = shop.tz;
    return changed;
  }
}
