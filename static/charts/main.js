// The charts page: reads figures when it is told that something was stored, and shows them.

import "./charts.css";
import { read } from "./api.js";
import { Card, repaint } from "./card.js";
import { ShopClock } from "./clock.js";
import * as format from "./format.js";
import { Freshness } from "./freshness.js";
import { showLatest } from "./latest.js";
import { Live } from "./live.js";
import { OverTime } from "./over-time.js";
import { Paced } from "./pace.js";
import { addDays } from "./range.js";
import { offerSql } from "./sql.js";
import { showTiles } from "./tiles.js";
import { todayView } from "./today.js";
import { Windows } from "./windows.js";

const { tz, today } = document.body.dataset;
const clock = new ShopClock(tz, today);
const freshness = new Freshness(clock);
const cards = Object.fromEntries(
  ["today", "orders", "devices", "daily", "windows"].map((name) => [name, new Card(document.getElementById(name))]),
);

// Without a word from the server for this long the connection may be dead unnoticed.
const SILENCE = 30_000;

// ---- today ----

const NOW_GAP = 250;

/** A job that takes long, as while a file is replayed, has a quarter of the time, up to a pause of `most`. */
const unhurried = (took, least, most) => Math.max(least, Math.min(4 * took, most));

const nowJob = new Paced(
  readNow,
  (took) => unhurried(took, NOW_GAP, 1_000),
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

// ---- over time ----

const overTime = new OverTime(clock, cards, () => rangeJob.restart());

const rangeJob = new Paced(
  readRange,
  (took) => unhurried(took, overTime.holdsToday() ? 2_000 : 3_000, 10_000),
  (error, pause) => freshness.outcome("the figures over time", error, pause),
);

async function readRange(signal) {
  await dayKnown();
  const { empty, again } = await overTime.read(signal);
  showEmpty(empty);
  heard();
  if (!empty) showWindows();
  return again;
}

const windows = new Windows(
  clock,
  cards.windows,
  () => overTime.figures,
  () => {
    overTime.addressChanged();
    windowsJob.restart();
  },
);

const windowsJob = new Paced(
  async (signal) => {
    const again = await windows.read(signal);
    heard();
    return again;
  },
  (took) => unhurried(took, overTime.holdsToday() ? 2_000 : 3_000, 10_000),
  (error, pause) => freshness.outcome("the windows", error, pause),
);

let windowsOf = null;
/** Windows follow the figures over time, which tell whether anything of the range has changed. */
function showWindows() {
  const { range } = overTime.figures;
  const now = `${range.from} ${range.to}`;
  if (windowsOf !== null && windowsOf !== now) windows.restart();
  else windowsJob.request();
  windowsOf = now;
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

const jobs = [nowJob, latestJob, rangeJob, windowsJob];
function requestAll() {
  // windows are asked for when the figures over time are known
  for (const job of [nowJob, latestJob, rangeJob]) job.request();
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
    if (!overTime.dayChanged(before)) rangeJob.restart();
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

offerSql(() => ({ today: clock.today, range: overTime.figures?.range, windows: windows.question() }));

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
