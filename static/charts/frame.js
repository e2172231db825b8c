// The frame of the page: its sections, what is compared, the zone, the source, and the filters as chips.

import { go } from "./address.js";
import { groupName } from "./palette.js";
import { COMPARISONS, SECTIONS, unfiltered, without, writeState } from "./state.js";

const heading = document.querySelector("h1");
const nav = document.querySelector("#sections ul");
const chips = document.getElementById("filters");
const compare = document.getElementById("compare");
const zone = document.getElementById("tz");
const source = document.getElementById("source");

const name = (dimension) => dimension.replaceAll("_", " ");
/** Filters in words, for the title and the chips. */
export const filterWords = (filters) =>
  Object.entries(filters).flatMap(([dimension, values]) =>
    values.map((value) => ({ dimension, value, words: `${name(dimension)}: ${groupName(dimension, value)}` })),
  );

export class Frame {
  #page;

  constructor(page) {
    this.#page = page;
    compare.append(...COMPARISONS.map(({ key, name }) => new Option(name, key)));
    compare.addEventListener("change", () => page.choose({ compare: compare.value }));
    zone.closest("form").addEventListener("submit", (event) => event.preventDefault());
    zone.addEventListener("change", () => page.choose({ tz: zone.value.trim() || null }));
    source.addEventListener("change", () => page.choose({ source: source.value || null }));
    nav.addEventListener("click", (event) => follow(event, "a"));
    chips.addEventListener("click", (event) => {
      const chip = event.target.closest("button");
      if (chip) page.choose(JSON.parse(chip.dataset.change));
    });
  }

  /** Shows the state of the address. */
  show() {
    const { section, compare: compared, filters, tz } = this.#page.state;
    document.body.dataset.section = section;
    // only when it is another one, for it is said
    const words = nav.querySelector(`[data-section="${section}"]`).dataset.heading;
    if (heading.textContent !== words) heading.textContent = words;
    for (const element of document.querySelectorAll("[data-sections]")) {
      element.classList.toggle("elsewhere", !element.dataset.sections.split(" ").includes(section));
    }
    for (const link of nav.querySelectorAll("a")) {
      link.href = writeState(location.search, { section: link.dataset.section });
      if (link.dataset.section === section) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    compare.value = compared;
    if (document.activeElement !== zone) zone.value = tz ?? "";
    zone.placeholder = this.#page.clock.shopZone || "the shop’s";
    this.#showSource(filters.source ?? []);
    this.#showChips(filters);
  }

  #showSource(values) {
    const [value = ""] = values;
    if (![...source.options].some((option) => option.value === value)) source.append(new Option(value, value));
    source.value = value;
  }

  /** Offers the sources that there are; `rows` of /api/breakdown?by=source. */
  offerSources(rows) {
    const values = rows.map(({ value }) => value).filter((value) => value !== null);
    const known = [...source.options].slice(1).map((option) => option.value);
    if (values.join("\n") === known.join("\n")) return;
    source.replaceChildren(new Option("All", ""), ...values.map((value) => new Option(value, value)));
    this.#showSource(this.#page.state.filters.source ?? []);
  }

  #showChips(filters) {
    const list = filterWords(filters);
    const buttons = list.map(({ dimension, value, words }) => chip(words, without(filters, dimension, value)));
    if (list.length > 1) buttons.push(chip("Clear all", unfiltered(filters)));
    chips.hidden = list.length === 0;
    chips.querySelector("ul").replaceChildren(
      ...buttons.map((button) => {
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
  }

  /** The document's title: section, range and filters. */
  title(range) {
    const { section, filters } = this.#page.state;
    const { name } = SECTIONS.find(({ key }) => key === section);
    document.title = [name, range, ...filterWords(filters).map(({ words }) => words), "Shopwindow"]
      .filter(Boolean)
      .join(" · ");
  }
}

function chip(words, change) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chip";
  button.dataset.change = JSON.stringify(change);
  button.ariaLabel = words === "Clear all" ? words : `Remove the filter ${words}`;
  button.textContent = words === "Clear all" ? words : `${words} ×`;
  return button;
}

/** Follows a link to another state of the page without leaving it; new tabs are the browser's. */
function follow(event, selector) {
  const link = event.target.closest(selector);
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.search || "/");
}
