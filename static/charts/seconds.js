// How many events there were in each of the last seconds.

/** Counts by the second of the last 100 s; older ones are forgotten. Times are milliseconds since the epoch. */
export class Seconds {
  static LENGTH = 100;
  #counts = new Map();

  /** Begins anew with the windows of a second that /api/windows gives, which leaves out those without events. */
  begin(rows) {
    this.#counts = new Map(rows.map((row) => [Math.floor(Date.parse(row.window_start) / 1000), row.events]));
  }

  add(time, events) {
    const second = Math.floor(time / 1000);
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + events);
  }

  /** [{second, events}] of the last 100 s in their order, zeros included; the last of them is not over yet. */
  last(now) {
    const end = Math.floor(now / 1000);
    const start = end - Seconds.LENGTH + 1;
    for (const second of this.#counts.keys()) if (second < start) this.#counts.delete(second);
    return Array.from({ length: Seconds.LENGTH }, (_, i) => ({
      second: start + i,
      events: this.#counts.get(start + i) ?? 0,
    }));
  }
}
