// The bar that chooses the range of the charts over time. What is chosen stands in the address.

import { go, onAddress } from "./address.js";
import * as format from "./format.js";
import { GROUP_NAMES } from "./axes.js";
import { daysOf, momentOf } from "./moments.js";
import { addDays, FINE, grouping, groupsOf, isDay, isTimed, lengthOf, MOST_DAYS_OF_HOURS, PRESETS, readRange, writeRange } from "./range.js";

const MOST_STRETCHES = 4;
// while one types a year, its first digits are a year too
const TYPING = 600;

const bar = document.getElementById("range");
const form = bar.querySelector("form");
const words = document.getElementById("range-words");
const wrong = document.getElementById("range-wrong");
const fine = document.getElementById("range-fine");

/**
 * The choice of a range, of a grouping and of the event type of the devices, kept in the address.
 * `onChange()` after each change by the reader, Back and Forward included.
 */
export class Picker {
  wish = { auto: true };
  /** One of the groups of range.js, or null to let the range decide */
  group = null;
  device = "all";
  #shown = null;
  #zone = "UTC";
  #typing = null;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#readAddress();
    onAddress(() => {
      this.#readAddress();
      onChange();
    });
    bar.addEventListener("click", (event) => this.follow(event));
    form.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#useDates(), TYPING);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(this.#typing);
      this.#useDates();
    });
  }

  /** Follows a link to another state of the page without leaving it; new tabs are the browser's. */
  follow(event) {
    const link = event.target.closest("a[data-choice]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#go(link.search || "/", link.dataset.choice);
  }

  chooseDevice(device) {
    this.#setParameter("count", device === "all" ? null : device);
  }

  /** The day has changed: a range that is counted from today goes along. Says whether it did. */
  dayChanged(before, today) {
    const preset = PRESETS.find(({ key }) => key === this.#chosen(before));
    if (!preset?.range || preset.key === "all" || this.wish.auto) return false;
    const [from, to] = preset.range(today);
    this.#go(writeRange(location.search, { from, to }), preset.key, true);
    return true;
  }

  /** The group that the buckets of a range have. */
  groupOf(range) {
    return groupsOf(range).includes(this.group) ? this.group : grouping(range.from, range.to);
  }

  /** Shows which range the page is at. `overview` as in range.js. */
  show({ from, to }, { today, zone, overview, events }) {
    const moved = this.#shown?.from !== from || this.#shown?.to !== to;
    this.#shown = { from, to };
    this.#zone = zone;
    const group = this.groupOf({ from, to });
    const choices = PRESETS.map(({ key, name, range, last }) => {
      if (last) return { key, name, search: writeRange(location.search, { last: key }) };
      const [start, end] = range(today);
      return {
        key,
        name,
        from: start ?? overview.from,
        to: end ?? overview.to,
        search: writeRange(location.search, key === "all" ? { all: true } : { from: start, to: end }),
      };
    });
    const chosen = this.#chosen(today, choices);
    fill(
      bar.querySelector(".presets"),
      choices.map((choice) => ({ ...choice, current: choice.key === chosen })),
    );

    const several =
      overview.stretches.length > 1
        ? [...overview.stretches].sort((a, b) => b.events - a.events).slice(0, MOST_STRETCHES)
        : [];
    fill(
      bar.querySelector(".stretches"),
      several
        .sort((a, b) => (a.from < b.from ? -1 : 1))
        .map((stretch) => ({
          key: "stretch",
          name: stretchName(stretch),
          figure: format.compact(stretch.events),
          search: writeRange(location.search, stretch),
          current: stretch.from === from && stretch.to === to,
        })),
    );
    // with no events the page offers the same elsewhere
    bar.querySelector(".data").hidden = several.length === 0 || events === 0;
    fill(
      bar.querySelector(".groups"),
      // hours of any range, for what is said where they would be too many
      [...new Set([...groupsOf({ from, to }).filter((key) => FINE[key]), "hour", "day", "week", "month"])].map((key) => ({
        key: "group",
        name: GROUP_NAMES[key],
        search: withParameter("by", key),
        current: key === group,
      })),
    );
    fine.hidden = !FINE[this.group] || this.group === group || bar.querySelector(".grouping").classList.contains("elsewhere");
    fine.textContent = `${this.group === "hour" ? `Hours are shown for up to ${MOST_DAYS_OF_HOURS} days` : "So fine is shown only what is shorter"}; this range is shown by ${GROUP_NAMES[group].toLowerCase()} instead.`;
    // not under the fingers of one who types
    if (moved || !form.contains(document.activeElement)) {
      this.#showDates({ from, to });
    }
    form.elements.to.setCustomValidity("");
    const days = Math.round(lengthOf({ from, to }) / 86_400_000);
    const length = isTimed(from) ? `${format.length(lengthOf({ from, to }) / 1000)}, times` : `${format.count(days)} ${days === 1 ? "day" : "days"}`;
    words.textContent = `${format.dayRange(from, to, zone)} · ${length} of ${zone} · ${format.count(events)} ${events === 1 ? "event" : "events"}`;
  }

  showWrong(message) {
    wrong.textContent = message;
    wrong.hidden = false;
  }

  /** Days without times are whole; the last day is within the range, the time at its end is not. */
  #showDates({ from, to }) {
    const fields = form.elements;
    const days = daysOf({ from, to }, this.#zone);
    fields.from.value = days.from;
    fields.to.value = isTimed(to) ? format.dayOf(Date.parse(to), this.#zone) : addDays(days.to, -1);
    fields["from-time"].value = isTimed(from) ? format.clockTime(Date.parse(from), this.#zone) : "";
    fields["to-time"].value = isTimed(to) ? format.clockTime(Date.parse(to), this.#zone) : "";
  }

  /** The key of the preset that the page is at; today may be one day and this month so far, too. */
  #chosen(today, choices) {
    if (!this.#shown) return null;
    if (this.wish.last) return this.wish.last;
    const { from, to } = this.#shown;
    const matches = (
      choices ?? PRESETS.filter(({ range }) => range).map(({ key, range }) => ({ key, from: range(today)[0], to: range(today)[1] }))
    ).filter((choice) => choice.from === from && choice.to === to);
    const keys = matches.map(({ key }) => key);
    if (this.wish.all && keys.includes("all")) return "all";
    return keys.includes(history.state?.choice) ? history.state.choice : (keys[0] ?? null);
  }

  #useDates() {
    const { from, to, "from-time": fromTime, "to-time": toTime } = form.elements;
    if (!isDay(from.value) || !isDay(to.value)) return;
    const timed = fromTime.value || toTime.value;
    const moment = (day, time) => new Date(momentOf(day, time || "00:00", this.#zone)).toISOString();
    const wish = timed
      ? { from: moment(from.value, fromTime.value), to: toTime.value ? moment(to.value, toTime.value) : moment(addDays(to.value, 1)) }
      : { from: from.value, to: addDays(to.value, 1) };
    const wrong = timed ? "The end lies before the beginning." : "The last day lies before the first.";
    to.setCustomValidity(wish.from >= wish.to ? wrong : "");
    if (!form.reportValidity()) return;
    if (wish.from === this.#shown?.from && wish.to === this.#shown?.to) return;
    this.#go(writeRange(location.search, wish), "dates");
  }

  #setParameter(name, value) {
    this.#go(withParameter(name, value), history.state?.choice);
  }

  #go(search, choice, replace = false) {
    go(search, { choice, replace });
  }

  #readAddress() {
    const query = new URLSearchParams(location.search);
    this.group = query.get("by");
    this.device = query.get("count") ?? "all";
    try {
      this.wish = readRange(location.search);
      wrong.hidden = true;
    } catch (error) {
      this.wish = { auto: true };
      this.showWrong(`${error.message} Shown instead: where most of the data is.`);
    }
  }
}

export function stretchName({ from, to }) {
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000;
  return days < 45 ? format.dayRange(from, to) : format.monthRange(from, to);
}

function withParameter(name, value) {
  const query = new URLSearchParams(location.search);
  if (value === null) query.delete(name);
  else query.set(name, value);
  return query.size ? `?${query}` : "/";
}

/** Links that stay the same elements where they can, so that the focus stays too. */
function fill(list, choices) {
  while (list.children.length > choices.length) list.lastElementChild.remove();
  choices.forEach(({ key, name, figure, search, current }, i) => {
    let item = list.children[i];
    if (!item) {
      item = document.createElement("li");
      item.append(document.createElement("a"));
      list.append(item);
    }
    const link = item.firstElementChild;
    link.href = search;
    link.dataset.choice = key;
    link.textContent = name;
    if (figure !== undefined) {
      const value = document.createElement("span");
      value.className = "value";
      value.textContent = figure;
      link.append(" ", value);
    }
    if (current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
}
