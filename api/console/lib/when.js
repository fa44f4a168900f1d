/** Times and sizes as people read them. */

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
export const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** As `3 min. ago`. */
export function ago(at) {
  const seconds = (Date.parse(at) - Date.now()) / 1_000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? [];
  return unit ? relative.format(Math.round(seconds / size), unit) : "just now";
}

export const exactly = (at) => exact.format(new Date(at));

export const iso = (seconds) => new Date(seconds * 1_000).toISOString();

/** As `24 Dec`, of a date without a time. */
export const onDay = (date) => day.format(new Date(`${date}T12:00`));

/** As `0:24`, never below zero. */
export function countdown(until) {
  const seconds = Math.max(0, Math.ceil((Date.parse(until) - Date.now()) / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export function size(bytes) {
  const power = bytes && Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${numbers.format(bytes / 1_024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}
