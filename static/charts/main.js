// The charts page: reads figures when it is told that something was stored, and shows them.

import "./charts.css";
import { go, onAddress } from "./address.js";
import { read } from "./api.js";
import { repaint } from "./card.js";
import { ShopClock } from "./clock.js";
import * as format from "./format.js";
import { Frame } from "./frame.js";
import { Freshness } from "./freshness.js";
import { listen } from "./keys.js";
import { showLatest } from "./latest.js";
import { Live } from "./live.js";
import { dayEarlier, dayStart } from "./moments.js";
import { OverTime } from "./over-time.js";
import { Page } from "./page.js";
import { Paced } from "./pace.js";
import { rateView } from "./rate.js";
import { addDays, PRESETS, writeRange } from "./range.js";
import { offerSave, tableOf } from "./save.js";
import { Data } from "./sections/data.js";
import { Funnel } from "./sections/funnel.js";
import { Pipeline } from "./sections/pipeline.js";
import { Sales } from "./sections/sales.js";
import { Trends } from "./sections/trends.js";
import { Seconds } from "./seconds.js";
import { showSparks } from "./sparks.js";
import { offerSql } from "./sql.js";
import { COMPARING, COMPARISONS, neighbour, SECTIONS, UNRANGED, unfiltered, writeState } from "./state.js";
import { showTiles } from "./tiles.js";
import { bands, sameWeekdays } from "./usual.js";
import { todayView } from "./today.js";
import { Windows } from "./windows.js";

const { tz, today } = document.body.dataset;
const clock = new ShopClock(tz, today);
const page = new Page(clock, () => overTime.range);
clock.choose(page.state.tz);
const freshness = new Freshness(clock);
const cards = Object.fromEntries(["rate", "today", "orders", "devices", "daily", "windows"].map((name) => [name, page.card(name)]));
const frame = new Frame(page);

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
  const narrowed = { ...page.narrowed(), from: day, to: tomorrow };
  const [daily, products] = await Promise.all([
    read("/api/daily", narrowed, signal),
    read("/api/breakdown", { ...narrowed, by: "product", limit: 1000 }, signal),
  ]);
  todayFigures = daily.rows[0];
  showTiles(todayFigures, yesterday);
  todayRows = products.rows;
  showToday();
  heard();
  usualJob.request();
}

let todayRows = [];
function showToday() {
  cards.today.show(todayView(todayRows, clock.today, page, usual?.bands));
}

/** What the weekday usually has, and the question that it answers; null while it is not known. */
let usual = null;
// it is eight questions about a day each: no more often than their answers change, four times an hour
const usualJob = new Paced(
  readUsual,
  () => 1_000,
  (error, pause) => freshness.outcome("what is usual", error, pause),
);

async function readUsual(signal) {
  const { until, ranges } = sameWeekdays(clock.now(), clock.zone);
  const narrowed = page.narrowed();
  const question = JSON.stringify([ranges, narrowed]);
  if (usual?.question === question) return;
  const days = [];
  // one after the other, for they are in no hurry
  for (const range of ranges) {
    days.push((await read("/api/breakdown", { ...narrowed, by: "product", ...range, limit: 1000 }, signal)).rows);
  }
  usual = { question, bands: bands(days, until) };
  showToday();
}

let todayFigures = null;
/** The sums of yesterday until this time; null while they are not known. */
let yesterday = null;

/** What is dear beside what it tells has a twentieth of the time. */
const seldom = (took, least) => Math.max(least, Math.min(20 * took, 15_000));

const besideJob = new Paced(
  readBeside,
  (took) => seldom(took, 2_000),
  (error, pause) => freshness.outcome("what today is compared with", error, pause),
);

/** The hours of today, and yesterday until this time: what is compared is equally long. */
async function readBeside(signal) {
  await dayKnown();
  const narrowed = page.narrowed();
  const day = clock.today;
  // whole seconds, so that all who look ask the same
  const until = new Date(Math.floor(dayEarlier(clock.now(), clock.zone) / 1_000) * 1_000);
  const [before, hours] = await Promise.all([
    read("/api/totals", { ...narrowed, from: addDays(day, -1), to: until.toISOString() }, signal),
    read("/api/windows", { ...narrowed, from: day, to: addDays(day, 1), kind: "tumbling", size: "1h", group_by: "event_type" }, signal),
  ]);
  yesterday = { ...before.events, amount: before.amount };
  showTiles(todayFigures, yesterday);
  const currency = showSparks(hours.rows, dayStart(day, clock.zone));
  document.getElementById("versus-today").textContent =
    `Compared with yesterday until ${format.clockTime(until, clock.zone)}. Small bars are the hours of today${currency ? `, those of revenue its ${currency} alone` : ""}.`;
}

const VISIT = 300_000;
const seconds = new Seconds();
/** Whether the seconds go on from what notices tell, which do not tell events apart. */
let secondsKnown = false;

const visitorsJob = new Paced(
  readVisitors,
  (took) => seldom(took, 1_000),
  (error, pause) => freshness.outcome("the visitors", error, pause),
);
// they become fewer while nothing happens
const VISITORS_AGE = 15_000;

async function readVisitors(signal) {
  await dayKnown();
  const narrowed = page.narrowed();
  const since = (pause) => new Date(Math.floor((clock.now() - pause) / 1_000) * 1_000).toISOString();
  const { users } = await read("/api/totals", { ...narrowed, from: since(VISIT) }, signal);
  document.getElementById("visitors").textContent = format.count(users);
  if (secondsKnown && !Object.keys(page.state.filters).length) return users ? VISITORS_AGE : undefined;
  const asked = { ...narrowed, kind: "tumbling", size: "1s", from: since(Seconds.LENGTH * 1_000) };
  seconds.begin((await read("/api/windows", asked, signal)).rows);
  secondsKnown = true;
  showRate();
  return users ? VISITORS_AGE : undefined;
}

function showRate() {
  if (page.state.section !== "live" || paused || !secondsKnown) return;
  cards.rate.show(rateView(seconds.last(clock.now()), clock.zone));
}

const LATEST_GAP = 1_000;
const LATEST = 50;

const latestJob = new Paced(
  readLatest,
  () => LATEST_GAP,
  (error, pause) => freshness.outcome("the newest events", error, pause),
);

async function readLatest(signal) {
  await dayKnown();
  const { rows } = await read("/api/latest", { ...page.narrowed(), limit: LATEST }, signal);
  showLatest(rows, clock, page);
  // with filters there may be events that are not among these
  if (rows.length) showEmpty(false);
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

const overTime = new OverTime(clock, cards, page, () => {
  // what it reads is of another range
  sectionJob.drop();
  rangeJob.restart();
});

const rangeJob = new Paced(
  readRange,
  (took) => unhurried(took, overTime.holdsToday() ? 2_000 : 3_000, 10_000),
  (error, pause) => freshness.outcome("the figures over time", error, pause),
);

async function readRange(signal) {
  await dayKnown();
  const { section } = page.state;
  // the charts over time are a part of Trends, and come first there
  const atOnce = overTime.range !== null && section !== "trends" && section in sections;
  if (atOnce) sectionJob.request();
  const { empty, nothing, again } = await overTime.read(signal);
  showEmpty(empty);
  showTitle();
  heard();
  if (empty || nothing) return again;
  if (section === "windows") showWindows();
  else if (section in sections && !atOnce) sectionJob.request();
  return again;
}

const windows = new Windows(
  clock,
  cards.windows,
  page,
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
  const now = JSON.stringify(range);
  if (windowsOf !== null && windowsOf !== now) windows.restart();
  else windowsJob.request();
  windowsOf = now;
}

// ---- the other sections ----

const sections = { trends: new Trends(page, (day) => overTime.mark(day)), sales: new Sales(page), funnel: new Funnel(page), data: new Data(page), pipeline: new Pipeline(page) };

const sectionJob = new Paced(
  async (signal) => {
    const again = await sections[page.state.section]?.read(signal);
    heard();
    return again;
  },
  (took) => unhurried(took, overTime.holdsToday() ? 2_000 : 3_000, 10_000),
  (error, pause) => freshness.outcome("this section", error, pause),
);

// sources seldom become more
const SOURCES_GAP = 60_000;
const sourcesJob = new Paced(
  async (signal) => frame.offerSources((await read("/api/breakdown", { by: "source", limit: 100 }, signal)).rows),
  () => SOURCES_GAP,
  (error, pause) => freshness.outcome("the sources", error, pause),
);

function showEmpty(empty) {
  document.getElementById("empty").hidden = !empty;
  document.getElementById("charts").hidden = empty;
}

// ---- live ----

let lastHeard = performance.now();
function heard() {
  lastHeard = performance.now();
}

const liveJobs = [nowJob, besideJob, visitorsJob, latestJob];
const jobs = [...liveJobs, usualJob, rangeJob, windowsJob, sectionJob, sourcesJob];
/** What the section that is shown reads first; what else it reads is asked for when the range is known. */
function firstJobs() {
  const { section } = page.state;
  if (section === "live") return liveJobs;
  return UNRANGED.includes(section) ? [sectionJob] : [rangeJob];
}
function requestAll() {
  if (paused && page.state.section === "live") return;
  for (const job of firstJobs()) job.request();
}

let paused = false;
const pauseButton = document.getElementById("pause");
pauseButton.addEventListener("click", () => {
  paused = !paused;
  pauseButton.setAttribute("aria-pressed", paused);
  pauseButton.textContent = paused ? "Paused · go on" : "Pause";
  if (paused) for (const job of [...liveJobs, usualJob]) job.drop();
  requestAll();
});

/** The section, the filters or the zone are others: what is shown is read anew, and nothing else goes on. */
function addressChanged() {
  const before = was;
  was = narrowing();
  if (was !== before) {
    secondsKnown = false;
    yesterday = null;
  }
  clock.choose(page.state.tz);
  frame.show();
  showDay();
  showTitle();
  sections.trends.play.addressChanged();
  if (was === before) return overTime.addressChanged();
  const first = firstJobs();
  for (const job of [...liveJobs, usualJob, rangeJob, windowsJob, sectionJob]) if (!first.includes(job)) job.drop();
  for (const job of first) job.restart();
}
const narrowing = () =>
  JSON.stringify([page.state.section, page.state.compare, page.narrowed(), page.own("by"), page.own("who"), page.own("event"), page.own("day") !== null]);
let was = narrowing();

// the figures of an event type
document.getElementById("main").addEventListener("click", ({ target }) => {
  const figure = target.closest("button[data-type]");
  if (figure) page.choose(page.toggle("event_type", figure.dataset.type));
});

function showTitle() {
  const range = UNRANGED.includes(page.state.section) ? null : page.picked();
  frame.title(range && [format.dayRange(range.from, range.to, clock.zone), page.versus()].filter(Boolean).join(" "));
}

const live = new Live({
  onOpen() {
    heard();
    freshness.connected(true);
    secondsKnown = false;
    synchronize();
    requestAll();
  },
  onCounts(counts) {
    heard();
    freshness.stored(counts.stored_at);
    for (const list of [seconds, page.stored]) list.add(Date.parse(counts.stored_at), counts.events);
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
    todayFigures = yesterday = null;
    showTiles(todayFigures, yesterday);
    todayRows = [];
    showToday();
    if (!overTime.dayChanged(before)) for (const job of firstJobs()) job.restart();
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
  showRate();
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
  // in any section: it tells how fresh the figures are
  if (!paused) latestJob.request();
  sourcesJob.request();
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
themeButton.addEventListener("click", nextTheme);
function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % THEMES.length];
  localStorage.setItem("theme", theme);
  showTheme(theme);
  repaint();
}
showTheme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");

offerSql(() => ({
  today: clock.today,
  range: overTime.range,
  resolution: overTime.resolution,
  windows: windows.question(),
  narrowed: page.narrowed(),
  by: page.own("by"),
  audience: sections.trends.audience,
}));

// cards save what they show by themselves
for (const id of ["parts", "latest"]) {
  const section = document.getElementById(id);
  offerSave(section, () => tableOf(section.querySelector("table")));
}

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

// ---- keys ----

const keys = document.getElementById("keys");
document.getElementById("help").addEventListener("click", () => keys.showModal());

/** A range is shown in a section that has one. */
function goRange(wish, choice) {
  const search = writeRange(location.search, wish);
  const section = UNRANGED.includes(page.state.section) ? { section: "trends" } : {};
  go(writeState(search === "/" ? "" : search, section), { choice });
}
function goPreset(key) {
  const preset = PRESETS.find((one) => one.key === key);
  if (preset.last) return goRange({ last: key }, key);
  const [from, to] = preset.range(clock.today);
  goRange(from ? { from, to } : { all: true }, key);
}
function goBeside(by) {
  const range = page.picked();
  if (range) goRange(neighbour(range, by), "dates");
}

listen({
  "?": () => keys.showModal(),
  "/": () => document.getElementById("source").focus(),
  D: () => goPreset("today"),
  Y: () => goPreset("yesterday"),
  H: () => goPreset("1h"),
  W: () => goPreset("7d"),
  M: () => goPreset("month"),
  A: () => goPreset("all"),
  L: () => page.choose({ section: "live" }),
  P: () => {
    if (document.getElementById("play").checkVisibility()) sections.trends.play.toggle();
  },
  X: () => {
    if (!COMPARING.includes(page.state.section)) return;
    const at = COMPARISONS.findIndex(({ key }) => key === page.state.compare);
    page.choose({ compare: COMPARISONS[(at + 1) % COMPARISONS.length].key });
  },
  T: nextTheme,
  ArrowLeft: () => goBeside(-1),
  ArrowRight: () => goBeside(1),
  Escape: () => page.choose(unfiltered(page.state.filters)),
  ...Object.fromEntries(SECTIONS.map(({ key }, i) => [i + 1, () => page.choose({ section: key })])),
});

onAddress(addressChanged);
frame.show();
showDay();
showTitle();
wake();
