// The section of windows: what is chosen, a chart of it, the windows one by one, and files of them.

import { go, onAddress } from "./address.js";
import { read, ReadError } from "./api.js";
import { picker } from "./card.js";
import * as choices from "./choice.js";
import * as format from "./format.js";
import { startOf } from "./moments.js";
import { groupName } from "./palette.js";
import { csv, spans } from "./spans.js";
import { sessionsView, spanInWords, windowsView } from "./windows-view.js";

// So many rows are read for the chart; the table's pages go on from there.
const CHUNK = 5_000;
const PAGE = 50;
/** More rows than one request gives are not put into a file: it would be cut where nobody sees it. */
const MOST_EXPORTED = 50_000;
const LOOK = 2_000;

const section = document.getElementById("windows");
const part = (name) => section.querySelector(`[data-part="${name}"]`);
const fields = Object.fromEntries(
  ["size", "advance", "gap"].map((name) => [name, section.querySelector(`[data-field="${name}"]`)]),
);
const group = section.querySelector("select");
const wrong = document.getElementById("windows-wrong");

export class Windows {
  #clock;
  #card;
  #page;
  #figures;
  #onChange;
  #choice = choices.readChoice(location.search);
  /** What is shown: {print, range, choice, rows, next, sessions}. */
  #shown = null;
  /** The cursors of the chunks before and of the one that is shown, and where its page begins. */
  #cursors = [null];
  #offset = 0;

  /**
   * `figures()` gives the range of the page and a print of its figures, or null. `onChange()` is called when something
   * else is to be read.
   */
  constructor(clock, card, page, figures, onChange) {
    this.#clock = clock;
    this.#card = card;
    this.#page = page;
    this.#figures = figures;
    this.#onChange = onChange;
    onAddress(() => this.#readAddress());
    section.addEventListener("click", (event) => this.#follow(event));
    for (const [name, field] of Object.entries(fields)) {
      const input = field.querySelector("input");
      const choose = () => {
        const value = input.value.trim().toLowerCase();
        // what is shown already, as by the shop's own gap, is no choice
        if (value !== (this.#decided()?.[name] ?? "")) this.#go({ [name]: value || null });
      };
      field.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        choose();
      });
      input.addEventListener("change", choose);
    }
    group.addEventListener("change", () => this.#go({ group: group.value }));
    part("previous").addEventListener("click", () => this.#turn(-1));
    part("next").addEventListener("click", () => this.#turn(1));
    for (const kind of ["csv", "json"]) part(kind).addEventListener("click", () => this.#export(kind));
  }

  /** Parameters of /api/windows for what is chosen, with its range; null while no range is known. */
  question() {
    const range = this.#figures()?.range;
    return range ? { ...choices.questionOf(choices.decided(this.#choice, range)), ...range } : null;
  }

  /** Reads and shows what has changed. Resolves to when it wants to be called again, if so. */
  async read(signal) {
    const figures = this.#figures();
    if (!figures) return undefined;
    const { range } = figures;
    const choice = choices.decided(this.#choice, range);
    this.#showChoice(choice);
    const print = JSON.stringify([figures.print, choice, this.#cursors]);
    if (this.#shown?.print === print && !this.#shown.pending) return undefined;
    const cursor = this.#cursors.at(-1);
    const question = { ...choices.questionOf(choice), ...range, limit: CHUNK, cursor };
    try {
      const [{ rows, next, pending }, sessions] = await Promise.all([
        read("/api/windows", question, signal),
        choice.kind === "session" ? read("/api/sessions", { gap: choice.gap, ...range }, signal) : null,
      ]);
      this.#shown = { print, range, choice, rows, next, sessions, pending: sessions?.pending || pending || false };
    } catch (error) {
      if (!(error instanceof ReadError) || error.retry) throw error;
      this.#showWrong(error.reason);
      return undefined;
    }
    this.#showWrong(null);
    this.#show();
    return this.#shown.pending ? LOOK : undefined;
  }

  #decided() {
    const range = this.#figures()?.range;
    return range ? choices.decided(this.#choice, range) : null;
  }

  #readAddress() {
    const choice = choices.readChoice(location.search);
    if (JSON.stringify(choice) === JSON.stringify(this.#choice)) return;
    this.#choice = choice;
    this.restart();
  }

  /** Begins anew with the first windows, as of another range. */
  restart() {
    part("said").textContent = "";
    this.#cursors = [null];
    this.#offset = 0;
    this.#onChange();
  }

  #go(change) {
    go(choices.writeChoice(location.search, change));
  }

  #follow(event) {
    const link = event.target.closest("a[data-change]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    // not by its address: the range may have changed since that was written
    this.#go(JSON.parse(link.dataset.change));
  }

  #showChoice(choice) {
    const { kind } = choice;
    const sessions = kind === "session";
    const offers = choices.offers(choice);
    pills(part("kinds"), choices.KINDS, "kind", kind, (text) => (text === "session" ? "Sessions" : capitalized(text)));
    pills(part("figures"), ["events", "orders"], "figure", choice.figure, capitalized);
    for (const [name, field] of Object.entries(fields)) {
      field.hidden = name === "gap" ? !sessions : name === "advance" ? kind !== "hopping" : sessions;
      pills(field.querySelector("ul"), offers[name], name, choice[name]);
      const input = field.querySelector("input");
      // not under the fingers of one who types
      if (document.activeElement !== input) input.value = choice[name] ?? "";
    }
    part("figures").closest(".choice").hidden = sessions;
    group.closest("label").hidden = sessions;
    group.value = choice.group ?? "none";
    part("sessions").hidden = !sessions;
    part("words").textContent = sessions
      ? `A user’s events without a pause longer than ${gapInWords(choice.gap)}.`
      : kind === "hopping"
        ? `Windows of ${choices.lengthInWords(choice.size)}, one beginning every ${choices.lengthInWords(choice.advance).replace(/^1 /, "")}: they overlap.`
        : `Windows of ${choices.lengthInWords(choice.size)}, one after the other.`;
  }

  /** Tells beside its field why the choice cannot be used; null when it can. */
  #showWrong(reason) {
    const field = fields[reason && choices.fieldOf(reason)];
    for (const one of Object.values(fields)) {
      const input = one.querySelector("input");
      input.toggleAttribute("aria-invalid", one === field);
      if (one === field) input.setAttribute("aria-errormessage", wrong.id);
      else input.removeAttribute("aria-errormessage");
    }
    (field ?? part("choices")).append(wrong);
    wrong.hidden = reason === null;
    wrong.textContent = reason ?? "";
    part("body").hidden = reason !== null;
    if (reason === null) return;
    part("words").textContent = "";
    this.#shown = null;
  }

  #show() {
    const { range, choice, rows, next, sessions, pending } = this.#shown;
    const { zone } = this.#clock;
    if (sessions) {
      const view = sessionsView(sessions, gapInWords(choice.gap));
      // what lags may be none of the range's
      const [from, to] = [range.from, range.to].map((bound) => startOf(bound, zone));
      if (pending && Date.parse(pending.from) < to && Date.parse(pending.to) >= from) view.note = pendingInWords(pending, zone);
      this.#card.show(view);
      this.#showSessions(sessions);
    } else {
      const cut = { before: this.#cursors.length > 1, after: next !== null };
      const shape = spans(rows, choice.figure, cut);
      this.#card.show(windowsView({ shape, choice, range, cut, zone, now: this.#clock.now(), page: this.#page }));
    }
    this.#showRows();
  }

  #showSessions({ sessions, users, events, with_order, mean_seconds, median_seconds }) {
    const each = sessions ? (events / sessions).toLocaleString(undefined, { maximumFractionDigits: 2 }) : "–";
    const length = (seconds) => (seconds === null ? "–" : format.length(seconds));
    for (const [name, text, full] of [
      ["sessions", format.compact(sessions), format.count(sessions)],
      ["session-users", format.compact(users), format.count(users)],
      ["mean-length", length(mean_seconds)],
      ["median-length", length(median_seconds)],
      ["events-per-session", each],
      ["with-order", format.percent(with_order, sessions), format.count(with_order)],
    ]) {
      const element = section.querySelector(`[data-figure="${name}"]`);
      element.textContent = text;
      element.title = full && full !== text ? full : "";
    }
  }

  // ---- the table ----

  #showRows() {
    const { choice, rows, next } = this.#shown;
    const { zone } = this.#clock;
    const sessions = choice.kind === "session";
    this.#offset = Math.min(this.#offset, Math.max(0, Math.ceil(rows.length / PAGE) - 1) * PAGE);
    const page = rows.slice(this.#offset, this.#offset + PAGE);
    const names = sessions
      ? ["First event", "Last event", "Length", "Visitor"]
      : ["Begins", "Ends", ...(choice.group ? [capitalized(group.selectedOptions[0].textContent)] : [])];
    const seconds = sessions || choice.size.endsWith("s");
    const table = part("rows").querySelector("table");
    const [head] = table.tHead.rows;
    head.replaceChildren(...[...names, "Events", "Orders", "Revenue"].map((name) => header("col", name)));
    if (sessions || choice.group) head.cells[names.length - 1].className = "name";
    table.tBodies[0].replaceChildren(
      ...page.map((row) => {
        const line = document.createElement("tr");
        const begins = header("row", "");
        begins.append(moment(row.window_start, zone, seconds));
        line.append(begins, cell(moment(row.window_end, zone, seconds)));
        if (sessions)
          line.append(cell(format.length((Date.parse(row.window_end) - Date.parse(row.window_start)) / 1000)));
        if (sessions || choice.group) {
          const dimension = sessions ? "user_id" : choice.group;
          const words = sessions ? row.group : groupName(dimension, row.group);
          const choose = () => this.#page.choose(this.#page.toggle(dimension, row.group));
          // no filter picks what has no value
          const value = cell(row.group === null ? words : picker(words, choose));
          value.className = "name";
          value.title = row.group ?? "";
          line.append(value);
        }
        const amounts = Object.entries(row.amount).map(([currency, amount]) => format.money(amount, currency));
        line.append(cell(format.count(row.events)), cell(format.count(row.orders)), cell(amounts.join(", ") || "–"));
        return line;
      }),
    );
    const before = (this.#cursors.length - 1) * CHUNK + this.#offset;
    const known = (this.#cursors.length - 1) * CHUNK + rows.length;
    part("place").textContent = page.length
      ? `Rows ${format.count(before + 1)} to ${format.count(before + page.length)} of ${next ? "more than " : ""}${format.count(known)}`
      : "No rows";
    part("previous").disabled = before === 0;
    part("next").disabled = this.#offset + PAGE >= rows.length && next === null;
    for (const name of ["csv", "json"]) part(name).disabled = known === 0;
  }

  #turn(by) {
    if (!this.#shown) return;
    const { rows, next } = this.#shown;
    const offset = this.#offset + by * PAGE;
    part("rows").scrollTop = 0;
    if (offset >= 0 && offset < rows.length) {
      this.#offset = offset;
      return this.#showRows();
    }
    // beyond what is read, chart and table go on to the rows that follow, or back
    if (by > 0 && next !== null) {
      this.#cursors.push(next);
      this.#offset = 0;
    } else if (by < 0 && this.#cursors.length > 1) {
      this.#cursors.pop();
      this.#offset = CHUNK - PAGE;
    } else return;
    this.#onChange();
  }

  // ---- files ----

  async #export(kind) {
    const question = this.question();
    if (!question) return;
    part("said").textContent = "Reading all rows…";
    try {
      const { rows, next } = await read("/api/windows", { ...question, limit: MOST_EXPORTED }, undefined, 60_000);
      if (next !== null) {
        part("said").textContent =
          `These are more than ${format.count(MOST_EXPORTED)} rows, and a file of a part of them would tell nobody what it lacks: choose longer windows, a shorter range or another group, or read the pages of /api/windows.`;
        return;
      }
      const { kind: of, size, advance, gap, group_by, from, to } = question;
      const name = ["windows", of, size, advance, gap, group_by, from, to].filter(Boolean).join("-").replaceAll(":", "");
      if (kind === "csv") save(`${name}.csv`, "text/csv", csv(rows));
      else save(`${name}.json`, "application/json", `${JSON.stringify({ ...question, rows }, null, 1)}\n`);
      part("said").textContent = `${format.count(rows.length)} rows in ${name}.${kind}.`;
    } catch (error) {
      part("said").textContent = `No file: ${error.reason ?? error}.`;
    }
  }
}

const capitalized = (text) => text[0].toUpperCase() + text.slice(1);
const gapInWords = (gap) => (gap ? choices.lengthInWords(gap) : "the shop allows in a session");

function pendingInWords({ from, to }, zone) {
  const span = { start: Date.parse(from), end: Date.parse(to) };
  return `Sessions of ${spanInWords(span, zone)} still being counted.`;
}

function moment(text, zone, seconds) {
  const time = document.createElement("time");
  time.dateTime = text;
  time.title = text;
  time.textContent = format.moment(new Date(text), zone, null, { seconds });
  return time;
}

function cell(content) {
  const element = document.createElement("td");
  element.append(content);
  return element;
}

function header(scope, text) {
  const element = document.createElement("th");
  element.scope = scope;
  element.textContent = text;
  return element;
}

/** Links that stay the same elements where they can, so that the focus stays too. */
function pills(list, texts, name, current, title = (text) => text) {
  while (list.children.length > texts.length) list.lastElementChild.remove();
  texts.forEach((text, i) => {
    const link =
      list.children[i]?.firstElementChild ??
      list.appendChild(document.createElement("li")).appendChild(document.createElement("a"));
    const change = { [name]: text };
    link.href = choices.writeChoice(location.search, change);
    link.dataset.change = JSON.stringify(change);
    link.textContent = title(text);
    if (text === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
