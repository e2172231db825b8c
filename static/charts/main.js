// The charts page: reads figures when it is told that something was stored, and shows them.

import "./charts.css";
import { read, ReadError } from "./api.js";
import { Card, repaint } from "./card.js";
import { ShopClock } from "./clock.js";
import { dailyView } from "./daily.js";
import { deviceChoices, devicesView } from "./devices.js";
import * as format from "./format.js";
import { Freshness } from "./freshness.js";
import { showLatest } from "./latest.js";
import { Live } from "./live.js";
import { orderedProducts, ordersView } from "./orders.js";
import { Paced } from "./pace.js";
import { EVENT_TYPES } from "./palette.js";
import { Picker, stretchName } from "./picker.js";
import { addDays, buckets, resolve, stretches, writeRange } from "./range.js";
import { showTiles } from "./tiles.js";
import { todayView } from "./today.js";

const { tz, today } = document.body.dataset;
const clock = new ShopClock(tz, today);
const freshness = new Freshness(clock);
const cards = Object.fromEntries(
  ["today", "orders", "devices", "daily"].map((name) => [name, new Card(document.getElementById(name))]),
);

const sumOf = (row) => EVENT_TYPES.reduce((sum, { key }) => sum + row[key], 0);

// Without a word from the server for this long the connection may be dead unnoticed.
const SILENCE = 30_000;
// All days are a long list: while events pour in it is read no more often than this.
const OVERVIEW_AGE = 15_000;

// ---- today ----

const NOW_GAP = 500;

const nowJob = new Paced(
  readNow,
  () => NOW_GAP,
  (error, pause) => freshness.outcome("today’s figures", error, pause),
);

async function readNow(signal) {
  await dayKnown();
  const day = clock.today;
  const tomorrow = addDays(day, 1);
  await Promise.all([
    read("/api/daily", { from: addDays(day, -1), to: tomorrow }, signal).then(({ rows }) => showTiles(rows, day)),
    read("/api/breakdown", { by: "product", from: day, to: tomorrow, limit: 1000 }, signal).then(({ rows }) =>
      cards.today.show(todayView(rows, day)),
    ),
  ]);
  heard();
}

const LATEST_GAP = 1_000;
const LATEST = 20;

const latestJob = new Paced(
  readLatest,
  () => LATEST_GAP,
  (error, pause) => freshness.outcome("the newest events", error, pause),
);

async function readLatest(signal) {
  await dayKnown();
  const { rows } = await read("/api/latest", { limit: LATEST }, signal);
  showLatest(rows, clock);
  if (rows.length) freshness.stored(rows[0].stored_at);
  heard();
}

/** The page comes without a day when the service could not ask PostgreSQL. */
async function dayKnown() {
  if (clock.today) return;
  await clock.synchronize();
  showDay();
}

function showDay() {
  if (!clock.today) return;
  document.getElementById("day").textContent = format.dayLong(clock.today);
  document.getElementById("zone").textContent = clock.zone;
}

// ---- any range ----

/** What is known of all data: its days, its stretches, and the totals that they were read at. */
let overview = null;
/** What the charts over time show, and the totals that they were read at. */
let shown = null;

// Figures of days long gone change only while an old file is replayed. So each round first reads one
// small thing, the range's totals, and the rest only when these have changed.
const rangeJob = new Paced(
  readRange,
  () => (rangeHolds(clock.today) ? 2_000 : 3_000),
  (error, pause) => freshness.outcome("the figures over time", error, pause),
);

const rangeHolds = (day) => shown !== null && shown.range.from <= day && shown.range.to > day;

const picker = new Picker(() => {
  // a change of grouping or device needs no reading
  if (shown && sameRange(wanted(), shown.range)) showRange();
  else rangeJob.restart();
});

const sameRange = (a, b) => a !== null && a.from === b.from && a.to === b.to;
const wanted = () => overview && resolve(picker.wish, overview);

async function readRange(signal) {
  await dayKnown();
  const totals = await read("/api/totals", {}, signal);
  showEmpty(totals.first === null);
  if (totals.first === null) {
    overview = shown = null;
    return undefined;
  }
  const late = await readOverview(totals, signal);
  const range = wanted();
  try {
    await readFigures(range, signal);
  } catch (error) {
    if (error instanceof ReadError && !error.retry) picker.showWrong(error.reason);
    throw error;
  }
  heard();
  return late;
}

/** Reads all days where that is due; else says in how many milliseconds it will be. */
async function readOverview(totals, signal) {
  const print = JSON.stringify([totals.events, clock.zone]);
  if (overview?.print === print) return undefined;
  const bounds = [totals.first, totals.last].map((time) => format.dayOf(new Date(time), clock.zone)).join();
  const age = overview ? performance.now() - overview.readAt : Infinity;
  if (overview?.bounds === bounds && age < OVERVIEW_AGE) return OVERVIEW_AGE - age;
  const { rows } = await read("/api/daily", {}, signal);
  const found = stretches(rows, sumOf);
  if (!found.length) throw new ReadError("/api/daily", "it has no day with events, though there are events", true);
  overview = { from: found[0].from, to: found.at(-1).to, stretches: found, print, bounds, readAt: performance.now() };
  return undefined;
}

async function readFigures(range, signal) {
  const totals = await read("/api/totals", range, signal);
  const print = JSON.stringify([totals.events, totals.amount, range, clock.zone, clock.today]);
  if (shown?.print === print) return showChoice();

  // two at a time, for browsers open six connections and today's figures want theirs
  const [[all, devices], byProduct] = await Promise.all([readDays(range, signal), readOrders(range, signal)]);
  shown = { range, print, events: sumOf(totals.events), all, devices, byProduct };
  showRange();
}

async function readDays(range, signal) {
  const all = await read("/api/daily", range, signal);
  const devices = await read("/api/breakdown", { ...range, by: "site_version", limit: 1000 }, signal);
  return [all.rows, devices.rows];
}

async function readOrders(range, signal) {
  const orders = { ...range, event_type: "order" };
  const { rows } = await read("/api/breakdown", { ...orders, by: "product", limit: 1000 }, signal);
  const byProduct = [];
  for (const product of orderedProducts(rows)) {
    byProduct.push([product, (await read("/api/daily", { ...orders, product }, signal)).rows]);
  }
  return byProduct;
}

function showChoice() {
  picker.show(shown.range, { today: clock.today, zone: clock.zone, overview, events: shown.events });
}

function showRange() {
  const { range, events, all, devices, byProduct } = shown;
  showChoice();
  const nothing = events === 0;
  document.getElementById("over-time").hidden = nothing;
  document.getElementById("range-empty").hidden = !nothing;
  if (nothing) return offerData(range);

  const group = picker.groupOf(range);
  const list = buckets(range.from, range.to, group);
  cards.orders.show(ordersView({ all, byProduct, list, group, today: clock.today }));
  cards.daily.show(dailyView({ all, list, group, today: clock.today }));
  showDevices(devices);
}

function offerData(range) {
  document.getElementById("range-empty-words").textContent =
    `Nothing happened in this range, ${format.dayRange(range.from, range.to)}. There is data here:`;
  document.getElementById("range-empty-links").replaceChildren(
    ...overview.stretches.map((stretch) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.className = "button";
      link.href = writeRange(location.search, stretch);
      link.dataset.choice = "stretch";
      link.textContent = `${stretchName(stretch)} · ${format.compact(stretch.events)} events`;
      item.append(link);
      return item;
    }),
  );
}

const deviceSelect = document.getElementById("device");
deviceSelect.addEventListener("change", () => picker.chooseDevice(deviceSelect.value));

function showDevices(rows) {
  const choices = deviceChoices(rows);
  const choice = choices.some(([key]) => key === picker.device) ? picker.device : "all";
  if (choices.map(([key]) => key).join() !== [...deviceSelect.options].map((option) => option.value).join()) {
    deviceSelect.replaceChildren(...choices.map(([key, name]) => new Option(name, key)));
  }
  deviceSelect.value = choice;
  cards.devices.show(devicesView(rows, choice));
}

function showEmpty(empty) {
  document.getElementById("empty").hidden = !empty;
  document.getElementById("charts").hidden = empty;
}

// ---- live ----

let lastHeard = performance.now();
function heard() {
  lastHeard = performance.now();
}

const jobs = [nowJob, latestJob, rangeJob];
function requestAll() {
  for (const job of jobs) job.request();
}

const live = new Live({
  onOpen() {
    heard();
    freshness.connected(true);
    synchronize();
    requestAll();
  },
  onCounts(counts) {
    heard();
    freshness.stored(counts.stored_at);
    requestAll();
  },
  onLost() {
    freshness.connected(false);
  },
});

/** Asks for the shop's time and day, and goes along when the day is another one. Says whether it could. */
async function synchronize() {
  const before = clock.today;
  try {
    const changed = await clock.synchronize();
    heard();
    freshness.outcome("the shop’s clock", null);
    if (!changed) return true;
    showDay();
    showTiles([], clock.today);
    cards.today.show(todayView([], clock.today));
    nowJob.restart();
    latestJob.restart();
    if (!picker.dayChanged(before, clock.today)) rangeJob.restart();
    return true;
  } catch (error) {
    freshness.outcome("the shop’s clock", error, clock.isOver() ? TICK : SILENCE);
    return false;
  }
}

const TICK = 1_000;
let ticking = null;
async function tick() {
  freshness.show();
  // timers stop in a computer that sleeps, so the clock decides and not the count of ticks
  if (clock.isOver()) {
    synchronize();
  } else if (performance.now() - lastHeard > SILENCE) {
    heard();
    if (!(await synchronize())) live.reopen();
  }
}

/** A page that nobody sees holds no connection and does no work; once seen it catches up at once. */
function wake() {
  if (document.hidden) {
    clearInterval(ticking);
    ticking = null;
    live.close();
    for (const job of jobs) job.pause();
    return;
  }
  if (ticking) return;
  ticking = setInterval(tick, TICK);
  requestAll();
  for (const job of jobs) job.resume();
  live.open();
  tick();
}

document.addEventListener("visibilitychange", wake);
addEventListener("online", () => live.reopen());

// ---- the page itself ----

document.getElementById("range-empty").addEventListener("click", (event) => picker.follow(event));

const THEMES = ["auto", "light", "dark"];
const themeButton = document.getElementById("theme");
function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.querySelector("span").textContent = theme;
}
themeButton.addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % THEMES.length];
  localStorage.setItem("theme", theme);
  showTheme(theme);
  repaint();
});
showTheme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2_000);
    } catch {
      // no clipboard without https: leave the text selected for the reader's own keys
      getSelection().selectAllChildren(code);
    }
  });
}

showDay();
wake();
