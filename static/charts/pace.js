// Runs a job when it is asked for, but never twice at once nor more often than its pace allows.

const FIRST_RETRY = 1_000;
const LAST_RETRY = 15_000;

/**
 * A job that may be asked for at any rate. The first request runs it at once; requests while it runs,
 * or before `gap(took)` milliseconds have passed since its last start, become one more run afterwards:
 * `took` is how long the last run took. So the last request is always followed by a whole run. A run
 * that fails is repeated with growing pauses, unless its error says `retry: false`.
 *
 * `job(signal)` may resolve to a number of milliseconds after which it wants to run again.
 */
export class Paced {
  #job;
  #gap;
  #onOutcome;
  #wanted = false;
  #paused = true;
  #running = null;
  #timer = null;
  #started = -Infinity;
  #took = 0;
  #retry = 0;

  /** `onOutcome(error, pause)`: null after a success, else the error and when it is tried again. */
  constructor(job, gap, onOutcome) {
    this.#job = job;
    this.#gap = gap;
    this.#onOutcome = onOutcome;
  }

  request() {
    this.#wanted = true;
    this.#next();
  }

  /** Drops a run that is under way and starts a new one now. */
  restart() {
    this.#running?.abort(new DOMException("restarted", "AbortError"));
    this.#running = null;
    this.#started = -Infinity;
    this.#retry = 0;
    this.request();
  }

  /** Drops a run that is under way, and what was asked for; the next request runs at once. */
  drop() {
    this.#running?.abort(new DOMException("dropped", "AbortError"));
    this.#running = null;
    this.#wanted = false;
    this.#started = -Infinity;
    this.#retry = 0;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  pause() {
    this.#paused = true;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  resume() {
    this.#paused = false;
    this.#next();
  }

  #next() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.#wanted || this.#paused || this.#running) return;
    const wait = this.#started + Math.max(this.#gap(this.#took), this.#retry) - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.#next(), wait);
    else this.#run();
  }

  async #run() {
    const run = new AbortController();
    this.#running = run;
    this.#wanted = false;
    this.#started = performance.now();
    let again;
    try {
      again = await this.#job(run.signal);
      if (this.#running !== run) return;
      this.#took = performance.now() - this.#started;
      this.#retry = 0;
      this.#onOutcome(null);
    } catch (error) {
      if (this.#running !== run) return;
      // an error of ours, not of a read
      if (error.retry === undefined) console.error(error);
      if (error.retry === false) {
        this.#onOutcome(error, null);
      } else {
        this.#wanted = true;
        this.#retry = Math.min(LAST_RETRY, this.#retry * 2 || FIRST_RETRY);
        this.#started = performance.now();
        this.#onOutcome(error, this.#retry);
      }
    }
    this.#running = null;
    this.#next();
    if (again && !this.#timer && !this.#running) this.#timer = setTimeout(() => this.request(), again);
  }
}
