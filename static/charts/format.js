// Numbers by the reader's locale, dates in words in the page's language, times in the shop's zone.

const DATES = globalThis.navigator?.language?.startsWith("en") ? navigator.language : "en-GB";

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const latin = new Intl.NumberFormat(undefined, { numberingSystem: "latn" });

export const count = (n) => whole.format(n);

/** At most three significant digits from a million on: 8.47M. */
export const compact = (n) => (Math.abs(n) < 1e6 ? whole.format(n) : short.format(n));

/** An id of little room: its beginning tells it apart. */
export const shortId = (id) => (id.length > 12 ? `${id.slice(0, 8)}…` : id);

/** Labels of an axis: 0, 500, 20K. */
export const axis = (n) => (Math.abs(n) < 1e4 ? whole.format(n) : short.format(n));

/** part / all in per cent, three digits at most; a dash where there is nothing to divide by. */
export function percent(part, all) {
  if (!all) return "–";
  const share = part / all;
  const digits = share >= 1 ? 0 : share >= 0.1 ? 1 : 2;
  return new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** The change from what was before to what is now, with its sign; a dash where there was nothing. */
export function change(now, before) {
  if (!before) return "–";
  const by = now / before - 1;
  const digits = Math.abs(by) < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(undefined, {
    style: "percent",
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  }).format(by);
}

const signs = Object.fromEntries(latin.formatToParts(-12345.6).map(({ type, value }) => [type, value]));

/** What was written by `count` or `percent`, as a number again; null for a dash, and any other text as it is. */
export function parse(text) {
  if (text === "–" || text === "") return null;
  const number = /^(.*?)\s*(%?)$/.exec(text.replace(signs.minusSign, "-"));
  const digits = number[1].replaceAll(signs.group, "").replace(signs.decimal, ".");
  if (!/^[+-]?\d+(\.\d+)?$/.test(digits) || digits.length > 15) return text;
  // 12.3 / 100 has more digits than were written
  return number[2] ? Number((Number(digits) / 100).toPrecision(12)) : Number(digits);
}

/** A decimal string of a currency; exact, for it never becomes a binary fraction. */
export function money(amount, currency, options) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, ...options }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** The same for little room: no fractions from ten thousand on, three digits from a million on. */
export function moneyShort(amount, currency) {
  const size = Math.abs(Number(amount));
  if (size >= 1e6) return money(amount, currency, { notation: "compact", maximumSignificantDigits: 3 });
  return money(amount, currency, size >= 1e4 ? { maximumFractionDigits: 0 } : {});
}

/**
 * Writes a whole number into an element so that its text is the bare digits ("29360") and what one
 * sees is grouped by locale ("29,360"): the separators are drawn by the style sheet.
 */
export function writeDigits(element, n) {
  if (element.dataset.value === String(n)) return;
  element.dataset.value = n;
  const pieces = [];
  let separator = "";
  for (const part of latin.formatToParts(n)) {
    if (part.type === "group") separator = part.value;
    else if (!separator) pieces.push(part.value);
    else {
      const group = document.createElement("span");
      group.className = "digits";
      group.dataset.separator = separator;
      group.textContent = part.value;
      pieces.push(group);
    }
  }
  element.replaceChildren(...pieces);
}

const utc = (day) => new Date(`${day}T00:00:00Z`);
const formats = new Map();

function dateFormat(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) {
    let format;
    try {
      format = new Intl.DateTimeFormat(DATES, options);
    } catch {
      // a zone that this browser does not know
      format = new Intl.DateTimeFormat(DATES, { ...options, timeZone: "UTC", timeZoneName: "short" });
    }
    formats.set(key, format);
  }
  return formats.get(key);
}

const ofDay = (options) => (day) => dateFormat({ timeZone: "UTC", ...options }).format(utc(day));

/** A calendar day ("2019-01-07") in words. */
export const dayLong = ofDay({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const weekday = ofDay({ weekday: "long" });
export const dayFull = ofDay({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
export const dayMonth = ofDay({ day: "numeric", month: "short" });
export const dayMonthYear = ofDay({ day: "numeric", month: "short", year: "numeric" });
export const monthYear = ofDay({ month: "short", year: "numeric" });
export const monthLong = ofDay({ month: "long", year: "numeric" });
export const month = ofDay({ month: "short" });

/** A half-open range in words: "1 Jan – 31 May 2019"; one of moments by the clock of the zone: "7 Jan 2019, 12:30 – 13:30". */
export function dayRange(from, to, zone = "UTC") {
  if (from.includes("T")) {
    const options = { timeZone: zone, day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
    return dateFormat({ ...options, hourCycle: "h23" }).formatRange(new Date(from), new Date(to));
  }
  const last = new Date(utc(to).getTime() - 86_400_000);
  return dateFormat({ timeZone: "UTC", day: "numeric", month: "short", year: "numeric" }).formatRange(utc(from), last);
}

/** The same by months: "Jan – May 2019". */
export function monthRange(from, to) {
  const last = new Date(utc(to).getTime() - 86_400_000);
  return dateFormat({ timeZone: "UTC", month: "short", year: "numeric" }).formatRange(utc(from), last);
}

/** The calendar day of a moment in the zone, as "2019-01-07". */
export function dayOf(time, zone) {
  const parts = Object.fromEntries(
    dateFormat({
      timeZone: zone,
      calendar: "gregory",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    })
      .formatToParts(time)
      .map((part) => [part.type, part.value]),
  );
  return `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}`;
}

/** The time of day of a moment in the zone. */
export const clockTime = (time, zone, seconds) =>
  dateFormat({
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
    hourCycle: "h23",
  }).format(time);

/** A moment as the shop's clock shows it: the time alone for today, else with its day. */
export function moment(time, zone, today, { seconds = false } = {}) {
  const day = dayOf(time, zone);
  const clock = clockTime(time, zone, seconds);
  return day === today ? clock : `${dayMonthYear(day)}, ${clock}`;
}

/** A pause in words: "2 s", "5 min". */
export function pause(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min`;
}

/** How long something was: "0 s", "4.2 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function length(seconds) {
  if (seconds < 60) return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(seconds)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  // to the precision of the second unit first, so that 59 min 59.9 s are an hour
  const precise = units.map(([, size], i) =>
    units[i + 1] ? Math.round(seconds / units[i + 1][1]) * units[i + 1][1] : size,
  );
  const i = units.findIndex(([, size], i) => precise[i] >= size);
  const [[unit, size], [next, part]] = [units[i], units[i + 1]];
  const rest = Math.round((precise[i] % size) / part);
  const whole = `${count(Math.floor(precise[i] / size))} ${unit}`;
  return rest ? `${whole} ${rest} ${next}` : whole;
}
