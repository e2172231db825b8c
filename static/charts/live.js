// The stream of notices that something was stored.

const FIRST_PAUSE = 500;
const LAST_PAUSE = 10_000;

/**
 * Listens to /api/live while it is open, and reconnects by itself, also where the browser gives up
 * (it does so on any answer but 200). `onOpen()` after each connection: what was stored before is
 * not told again, so read everything. `onCounts({stored_at, events})` for each notice. `onLost()`
 * when the connection is gone, and after each attempt in vain.
 */
export class Live {
  #handlers;
  #source = null;
  #timer = null;
  #pause = FIRST_PAUSE;
  connected = false;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  open() {
    if (this.#source || this.#timer) return;
    const source = new EventSource("/api/live");
    this.#source = source;
    source.onopen = () => {
      this.connected = true;
      this.#pause = FIRST_PAUSE;
      this.#handlers.onOpen();
    };
    source.addEventListener("counts", (event) => this.#handlers.onCounts(JSON.parse(event.data)));
    source.onerror = () => {
      this.close();
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.open();
      }, this.#pause);
      this.#pause = Math.min(LAST_PAUSE, this.#pause * 2);
      this.#handlers.onLost();
    };
  }

  close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.connected = false;
  }

  /** A new connection now, for when the old one may be dead without the browser knowing. */
  reopen() {
    this.close();
    this.open();
  }
}
