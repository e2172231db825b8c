// "Save" on a card: its chart as a picture, its table as CSV and JSON.

import { parse } from "./format.js";
import { csvLines } from "./spans.js";

const SCALE = 2;
const MARGIN = 16;

/**
 * Adds the menu to a card's actions. `table()` gives {head, rows, foot?} of words, null for none, and `picture()` the
 * drawn chart, null while none is drawn.
 */
export function offerSave(section, table, picture = () => null) {
  const title = section.querySelector("h2, h3").textContent;
  const menu = document.createElement("div");
  menu.id = `save-${section.id}`;
  menu.className = "tip save";
  menu.popover = "auto";
  const opener = button("Save", () => {});
  opener.className = "quiet";
  opener.ariaLabel = `Save ${title}`;
  opener.popoverTargetElement = menu;
  const name = () => [section.id, ...new URLSearchParams(location.search).values()].join("-").replace(/[^\w.-]+/g, "_");
  const choose = (work) => () => {
    menu.hidePopover();
    work();
  };
  const asPicture = button("Picture", choose(() => save(drawn(section, title, picture()), `${name()}.png`)));
  const asCsv = button("CSV", choose(() => saveText(`${name()}.csv`, "text/csv", csvOf(values(table())))));
  const asJson = button("JSON", choose(() => saveText(`${name()}.json`, "application/json", jsonOf(values(table())))));
  menu.append(asPicture, asCsv, asJson);
  menu.addEventListener("beforetoggle", () => {
    asPicture.hidden = !picture();
    asCsv.hidden = asJson.hidden = !table();
  });
  (section.querySelector("header .actions") ?? section.querySelector("header")).append(opener, menu);
}

function button(words, work) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = words;
  element.addEventListener("click", work);
  return element;
}

/** The cells of a table of the document. A moment is what it stands for. */
export function tableOf(element) {
  const words = (cell) => cell.querySelector("time")?.dateTime ?? cell.textContent.trim();
  const of = (part) => [...(part?.rows ?? [])].map((row) => [...row.cells].map(words));
  const [head] = of(element.tHead);
  return { head, rows: [...element.tBodies].flatMap(of), foot: of(element.tFoot)[0] };
}

/** Rows as values: numbers as numbers, whatever the reader's locale, and null for a dash. */
export function values({ head, rows, foot }) {
  const all = [...rows, ...(foot ? [foot] : [])];
  return { head, rows: all.map((row) => row.map((cell) => parse(String(cell ?? "")))) };
}

const csvOf = ({ head, rows }) => csvLines([head, ...rows]);

function jsonOf({ head, rows }) {
  const objects = rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
  return `${JSON.stringify({ address: location.href, rows: objects }, null, 1)}\n`;
}

/** The chart under its title and its legend, which are no part of the canvas. */
function drawn(section, title, chart) {
  const style = getComputedStyle(section);
  const { width, height } = chart;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const entries = [...section.querySelectorAll(".legend li")].map((item) => {
    const swatch = item.querySelector(".swatch");
    return {
      color: swatch ? getComputedStyle(swatch).backgroundColor : "transparent",
      words: item.textContent.trim().replace(/\s+/g, " "),
    };
  });
  const small = `14px ${style.fontFamily}`;
  context.font = small;
  // the legend breaks where its line is full
  let [x, line] = [0, 0];
  for (const entry of entries) {
    const length = 16 + context.measureText(entry.words).width;
    if (x > 0 && x + length > width / SCALE) [x, line] = [0, line + 1];
    Object.assign(entry, { x, line });
    x += length + 24;
  }
  const top = 2 * MARGIN + 24 + (entries.length ? (line + 1) * 24 : 0);
  canvas.width = width + 2 * MARGIN * SCALE;
  canvas.height = height + (top + MARGIN + 24) * SCALE;
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(chart, MARGIN * SCALE, top * SCALE);
  context.scale(SCALE, SCALE);
  context.textBaseline = "middle";
  const write = (words, font, x, y) => {
    context.font = font;
    context.fillText(words, x, y);
  };
  context.fillStyle = style.color;
  write(title, `600 18px ${style.fontFamily}`, MARGIN, MARGIN + 12);
  for (const { color, words, x, line } of entries) {
    const y = MARGIN + 36 + line * 24;
    context.fillStyle = color;
    context.fillRect(MARGIN + x, y - 5, 10, 10);
    context.fillStyle = style.color;
    write(words, small, MARGIN + x + 16, y);
  }
  write(document.title, small, MARGIN, canvas.height / SCALE - MARGIN - 6);
  return canvas;
}

function save(canvas, name) {
  canvas.toBlob((blob) => download(blob, name));
}

function saveText(name, type, text) {
  download(new Blob([text], { type }), name);
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
