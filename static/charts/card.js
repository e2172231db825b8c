// A card of the page: a chart that can turn into its table and back.

import { BarChart, CustomChart, HeatmapChart, LineChart, PieChart, ScatterChart, SunburstChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  TitleComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
} from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { MOTION } from "./axes.js";
import { offerSave } from "./save.js";

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  PieChart,
  HeatmapChart,
  ScatterChart,
  SunburstChart,
  VisualMapContinuousComponent,
  AriaComponent,
  GridComponent,
  TitleComponent,
  TooltipComponent,
  CanvasRenderer,
]);

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const contrast = matchMedia("(prefers-contrast: more)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** The theme's colours as the style sheet has them, for what is drawn on the canvas. */
function look() {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("span");
  document.body.append(probe);
  const color = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colors = {
    text: color("--text"),
    muted: color("--muted"),
    line: color("--line"),
    card: color("--card"),
    raised: color("--raised"),
    accent: color("--accent"),
    // from little to much
    heat: [color("--tint"), color("--accent")],
  };
  probe.remove();
  return { ...colors, font: style.fontFamily };
}

/** What all charts have in common. */
function base({ text, line, raised, font }) {
  return {
    animation: !calm.matches,
    animationDuration: MOTION,
    animationDurationUpdate: MOTION,
    textStyle: { fontFamily: font, color: text },
    aria: { enabled: true, label: { enabled: false }, decal: { show: contrast.matches } },
    tooltip: {
      // drawn, never markup: a product's name may be anything
      renderMode: "richText",
      axisPointer: { type: "shadow", shadowStyle: { color: "rgba(127, 127, 127, 0.14)" } },
      confine: true,
      transitionDuration: 0,
      backgroundColor: raised,
      borderColor: line,
      borderRadius: 8,
      padding: 12,
      textStyle: { fontFamily: font, fontSize: 13, color: text },
    },
  };
}

const all = new Set();

/** Draws every chart anew in the theme's colours. */
export function repaint() {
  for (const card of all) card.paint();
}
for (const query of [calm, contrast, dark]) query.addEventListener("change", repaint);

export class Card {
  #section;
  #plot;
  #table;
  #toggle;
  #chart = null;
  #view = null;
  #asTable = false;
  #width = 0;
  #drawn = null;
  /** The indices of the first and last category that are marked, or null. */
  #marked = null;

  #pick;

  /** `pick(change)` is called with what a view's picks give, when the reader clicks on them. */
  constructor(section, pick = () => {}) {
    this.#section = section;
    this.#pick = pick;
    this.#plot = section.querySelector(".plot");
    this.#table = section.querySelector(".table");
    this.#toggle = section.querySelector("[data-toggle]");
    this.#toggle.addEventListener("click", () => {
      this.#asTable = !this.#asTable;
      this.#toggle.setAttribute("aria-pressed", this.#asTable);
      this.paint();
    });
    offerSave(
      section,
      () => this.#view?.table?.() ?? null,
      () => (this.#plot.hidden ? null : this.#picture()),
    );
    new ResizeObserver(() => {
      if (this.#plot.clientWidth && this.#plot.clientWidth !== this.#width) this.paint();
    }).observe(section);
    all.add(this);
  }

  /**
   * Shows what a chart's module made of the figures:
   * `option(look, width)` the chart, `table()` → {head, rows, foot} the same as a table, where it can turn into one,
   * `label` what one who cannot see the chart is told, `legend` its colours with their figures,
   * `pick({seriesId, name, dataIndex})` the change of the address that a click on a bar or slice makes, or null;
   * entries of the legend have theirs as `pick`, and the table those of its rows as `picks`.
   * `note` a sentence beneath, with `command` one to copy after it, `height` of the plot in pixels when it is not the style sheet's, or what gives it for a width.
   * A view that is `empty`, as nothing() of nothing.js gives it, has no more than its note.
   */
  show(view) {
    this.#view = view;
    this.paint();
  }

  /** Marks the categories of the first axis from one index to another, or none for null. */
  mark(marked) {
    this.#marked = marked;
    this.#paintMark();
  }

  #paintMark() {
    let band = this.#plot.querySelector(".marked");
    if (!this.#marked || !this.#chart || this.#plot.hidden) {
      band?.remove();
      return;
    }
    if (!band) {
      band = document.createElement("div");
      band.className = "marked";
      this.#plot.append(band);
    }
    const [first, last] = this.#marked;
    const place = (index) => this.#chart.convertToPixel({ xAxisIndex: 0 }, index);
    const half = Math.abs(place(1) - place(0)) / 2 || 8;
    band.style.left = `${place(first) - half}px`;
    band.style.width = `${Math.max(2, place(last) - place(first) + 2 * half)}px`;
  }

  paint() {
    const view = this.#view;
    if (!view) return;
    const asTable = this.#asTable && Boolean(view.table);
    this.#section.dataset.state = "ready";
    this.#section.dataset.view = asTable ? "table" : "chart";
    this.#section.toggleAttribute("data-empty", Boolean(view.empty));
    this.#toggle.hidden = !view.table;
    this.#plot.hidden = asTable || Boolean(view.empty);
    this.#table.hidden = !asTable;
    writeLegend(this.#section.querySelector(".legend"), view.legend, this.#pick);
    writeNote(this.#section.querySelector(".note"), view);
    if (asTable) this.#paintTable(view);
    else if (!view.empty) this.#paintChart(view);
    this.#paintMark();
  }

  /** What is drawn, at twice its size for print. */
  #picture() {
    return this.#chart?.renderToCanvas({ pixelRatio: 2, backgroundColor: look().card }) ?? null;
  }

  #paintChart(view) {
    const high = typeof view.height === "function" ? view.height(this.#plot.clientWidth) : view.height;
    this.#plot.style.height = high ? `${high}px` : "";
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (!width) return;
    this.#plot.setAttribute("aria-label", view.label);
    this.#width = width;
    this.#chart ??= echarts.init(this.#plot.querySelector(".canvas"), null, { renderer: "canvas" });
    this.#chart.off("click");
    this.#chart.on("click", (event) => {
      const change = view.pick?.(event);
      if (change) this.#pick(change);
    });
    if (this.#chart.getWidth() !== width || this.#chart.getHeight() !== height) this.#chart.resize({ width, height });
    const theme = look();
    const common = base(theme);
    const option = view.option(theme, width);
    // in place, unless there are others to draw: merged, they would stand in the order of their arrival
    const drawn = option.series.map(({ id }) => id).join();
    const merge =
      drawn === this.#drawn ? { replaceMerge: ["series", "grid", "xAxis", "yAxis", "title"] } : { notMerge: true };
    this.#drawn = drawn;
    const tooltip = { ...common.tooltip, ...option.tooltip };
    tooltip.axisPointer = { ...common.tooltip.axisPointer, ...option.tooltip?.axisPointer };
    this.#chart.setOption({ ...common, ...option, tooltip }, merge);
  }

  #paintTable(view) {
    const { head, rows, foot, picks = [] } = view.table();
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.className = "unseen";
    caption.textContent = view.label;
    table.createTHead().append(line(head, "col"));
    const body = table.createTBody();
    rows.forEach((row, i) => {
      const element = body.appendChild(line(row));
      if (picks[i]) element.cells[0].replaceChildren(picker(row[0], () => this.#pick(picks[i])));
    });
    if (foot) table.createTFoot().append(line(foot));
    const { scrollTop, scrollLeft } = this.#table;
    // rows are written anew, the focus stays in its row
    const focused = [...this.#table.querySelectorAll("tbody button")].indexOf(document.activeElement);
    this.#table.replaceChildren(table);
    if (focused >= 0) table.querySelectorAll("tbody button")[focused]?.focus();
    this.#table.scrollTop = scrollTop;
    this.#table.scrollLeft = scrollLeft;
  }
}

function line(cells, scope) {
  const row = document.createElement("tr");
  cells.forEach((cell, i) => {
    const element = document.createElement(scope || i === 0 ? "th" : "td");
    if (element.tagName === "TH") element.scope = scope ?? "row";
    element.textContent = cell;
    row.append(element);
  });
  return row;
}

function writeNote(element, { note = "", command }) {
  const code = document.createElement("code");
  code.className = "command";
  code.textContent = command ?? "";
  element.replaceChildren(note, ...(command ? [" ", code] : []));
}

/** A button that filters by what it is called, or no longer. */
export function picker(words, pick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "picks";
  button.textContent = words;
  button.title = "Filter by this, or no longer";
  button.addEventListener("click", pick);
  return button;
}

function writeLegend(list, entries = [], pick) {
  const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  list.replaceChildren(
    ...entries.map(({ color, name, value, share, pick: change }) => {
      const item = document.createElement("li");
      if (color) {
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.background = color;
        item.append(swatch);
      }
      item.append(change ? picker(name, () => pick(change)) : name);
      for (const [kind, figure] of [
        ["value", value],
        ["share", share],
      ]) {
        if (figure === undefined) continue;
        const element = document.createElement("span");
        element.className = kind;
        element.textContent = figure;
        item.append(" ", element);
      }
      return item;
    }),
  );
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}
