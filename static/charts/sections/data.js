// The section Data: what was imported, what was rejected, and where a certain event is. Its contract stands in page.js.

import { ReadError } from "../api.js";
import * as format from "../format.js";
import { offerSave, tableOf } from "../save.js";
import { showFigure } from "../tiles.js";

const REJECTED = 50;
const PAYLOAD = 120;
/** While a file is read there is news every second, of others when something was stored. */
const LOOK = 1_000;

const card = (id) => {
  const section = document.getElementById(id);
  const rows = section.querySelector(".rows");
  return { section, rows, body: rows.querySelector("tbody"), said: section.querySelector('[data-part="said"]') };
};

export class Data {
  #page;
  #imports = card("imports");
  #rejected = card("rejected");
  #find = card("find");
  /** How many rows of each import were read at the last look, and when that was. */
  #looked = new Map();

  constructor(page) {
    this.#page = page;
    for (const { section, rows } of [this.#imports, this.#rejected]) {
      offerSave(section, () => (rows.hidden ? null : tableOf(rows.querySelector("table"))));
    }
    const form = this.#find.section.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      page.choose({ event: form.elements.event.value.trim() || null });
    });
  }

  async read(signal) {
    const page = this.#page;
    const { import_id } = page.state.filters;
    const [{ rows }, rejected, { messages }] = await Promise.all([
      page.read("/api/imports", {}, signal),
      page.read("/api/rejected", { import_id, limit: REJECTED }, signal),
      page.read("/api/pipeline", {}, signal),
      this.#showEvent(signal),
    ]);
    for (const [name, n] of Object.entries(messages)) showFigure(`messages-${name}`, format.compact(n), format.count(n));
    this.#showImports(rows);
    this.#showRejected(rejected.rows, rows, import_id);
    return rows.some(({ state }) => state === "running" || state === "deleting") ? LOOK : undefined;
  }

  #showImports(rows) {
    const { section, rows: box, body, said } = this.#imports;
    section.dataset.state = "ready";
    box.hidden = rows.length === 0;
    section.querySelector('[data-part="none"]').hidden = rows.length > 0;
    const focused = document.activeElement.closest?.("#imports tr")?.dataset.id;
    body.replaceChildren(...rows.map((row) => this.#importRow(row)));
    body.querySelector(`[data-id="${CSS.escape(focused ?? "")}"] button`)?.focus();
    said.replaceChildren(
      ...(rows.length
        ? ["A file that was cut off goes on where it was when it is replayed again. To be rid of one: ", element("code", "shopwindow imports delete ID"), ", as ", element("code", "shopwindow imports list"), " tells."]
        : ["Nothing was imported yet. In a terminal of the checkout:"]),
    );
    if (!rows.length) section.querySelector('[data-part="none"]').before(said);
    else box.after(said);
  }

  #importRow(row) {
    const { clock, state } = this.#page;
    const done = row.rows_stored + row.rows_duplicate + row.rows_rejected;
    const line = element("tr");
    line.dataset.id = row.import_id;
    const isPicked = String(state.filters.import_id ?? "") === row.import_id;
    const name = element("button", row.file_name ?? `import ${row.import_id.slice(0, 8)}`);
    name.type = "button";
    name.className = "picks";
    name.title = `${row.import_id}: filter by this import, or no longer`;
    name.setAttribute("aria-pressed", isPicked);
    name.addEventListener("click", () => this.#page.choose(this.#page.toggle("import_id", row.import_id)));
    const progress = element("progress");
    [progress.max, progress.value] = [Math.max(1, row.rows_read), done];
    progress.ariaLabel = "Rows whose outcome is known";
    const rate = this.#rate(row);
    const took = row.finished_at && (Date.parse(row.finished_at) - Date.parse(row.started_at)) / 1_000;
    const cells = [
      name,
      row.state === "running" && !rate ? "running" : row.state,
      `${format.count(row.rows_read)}${rate ? ` · ${format.count(rate)} a second` : ""}`,
      row.state === "finished" && done >= row.rows_read ? "all" : progress,
      format.count(row.rows_stored),
      format.count(row.rows_duplicate),
      format.count(row.rows_rejected),
      moment(row.started_at, clock),
      took === null ? "–" : format.length(Math.round(took)),
    ];
    line.append(...cells.map((cell, i) => element(i ? "td" : "th", cell)));
    line.cells[0].scope = "row";
    return line;
  }

  /** Rows a second since the last look; 0 while it stands still. */
  #rate({ import_id, rows_read, state }) {
    const now = performance.now();
    const last = this.#looked.get(import_id);
    if (!last || now - last.at >= LOOK) this.#looked.set(import_id, { rows: rows_read, at: now });
    if (!last || state !== "running") return 0;
    return Math.max(0, Math.round(((rows_read - last.rows) * 1_000) / (now - last.at)));
  }

  #showRejected(rows, imports, picked) {
    const { section, rows: box, body, said } = this.#rejected;
    const { clock } = this.#page;
    section.dataset.state = "ready";
    box.hidden = rows.length === 0;
    const files = new Map(imports.map(({ import_id, file_name }) => [import_id, file_name]));
    body.replaceChildren(
      ...rows.map((row) => {
        const file = files.get(row.import_id) ?? row.source ?? "import";
        const where =
          row.line === null ? `${row.topic} ${row.partition}, offset ${row.offset}` : `${file}, line ${format.count(row.line)}`;
        const payload = row.payload ?? "";
        const what = element("code", payload.length > PAYLOAD ? `${payload.slice(0, PAYLOAD)}…` : payload);
        what.title = `${format.count(row.payload_bytes ?? 0)} bytes`;
        const line = element("tr");
        line.append(...[moment(row.rejected_at, clock), row.reason, where, what].map((cell) => element("td", cell)));
        return line;
      }),
    );
    const of = picked ? " of this import" : "";
    if (!rows.length) said.textContent = `Nothing${of} was rejected.`;
    else {
      const all = rows.length === REJECTED ? `The latest ${REJECTED}${of}; all are in the table rejected_events.` : "";
      said.textContent = `${all} A file’s lines are in FILE.rejected.csv beside it, to be mended and replayed.`.trim();
    }
  }

  /** An event that is asked for is found, or it is said why not; that is no failure of the section. */
  async #showEvent(signal) {
    const id = this.#page.own("event");
    const { section, rows: box, body, said } = this.#find;
    const input = section.querySelector("input");
    if (document.activeElement !== input) input.value = id ?? "";
    if (!id) {
      box.hidden = true;
      return;
    }
    try {
      const found = await this.#page.read(`/api/events/${encodeURIComponent(id)}`, {}, signal);
      said.textContent = eventInWords(found, this.#page.clock);
      const fields = Object.entries(found.event ?? {});
      box.hidden = fields.length === 0;
      body.replaceChildren(
        ...fields.map(([name, value]) => {
          const line = element("tr");
          const head = element("th", name.replaceAll("_", " "));
          head.scope = "row";
          line.append(head, element("td", typeof value === "object" ? JSON.stringify(value) : String(value)));
          return line;
        }),
      );
    } catch (error) {
      if (!(error instanceof ReadError) || error.retry) throw error;
      box.hidden = true;
      said.textContent = `${error.reason[0].toUpperCase()}${error.reason.slice(1)}.`;
    }
  }
}

/** Where the event is and why. */
function eventInWords(found, { zone, today }) {
  const time = (text) => format.moment(new Date(text), zone, today, { seconds: true });
  const place = `partition ${found.partition} of topic ${found.topic}, offset ${format.count(found.offset ?? 0)}`;
  if (found.state === "rejected") {
    const where = found.topic ? `it is ${place}` : `it is line ${format.count(found.line)} of import ${found.import_id}`;
    return `Rejected ${time(found.rejected_at)}: ${found.reason}; ${where}.`;
  }
  const { occurred_at, import_id, source } = found.event;
  const way = import_id ? `with import ${import_id}` : `from ${source}`;
  return `Stored ${time(found.stored_at)}: it occurred ${time(occurred_at)}, came ${way}, and is ${place}.`;
}

function moment(text, { zone, today }) {
  const time = element("time", format.moment(new Date(text), zone, today, { seconds: true }));
  time.dateTime = text;
  return time;
}

function element(tag, content = "") {
  const made = document.createElement(tag);
  made.append(content);
  return made;
}
