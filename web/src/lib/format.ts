/** Numbers, ages and stamps as FLASH §8 writes them. Pure: language, zone and now come in. */

export type Language = "en" | "ru" | "kk";

const THIN = "\u2009";
const MINUS = "\u2212";
const DASH = "\u2013";

const units: Record<Language, { s: string; min: string; h: string; d: string; ms: string }> = {
  en: { ms: "ms", s: "s", min: "min", h: "h", d: "d" },
  ru: { ms: "мс", s: "с", min: "мин", h: "ч", d: "д" },
  kk: { ms: "мс", s: "с", min: "мин", h: "сағ", d: "тәу" },
};

const months: Record<Language, string[]> = {
  en: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
  ru: ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"],
  kk: ["қаң", "ақп", "нау", "сәу", "мам", "мау", "шіл", "там", "қыр", "қаз", "қар", "жел"],
};

export function decimalMark(language: Language): string {
  return language === "en" ? "." : ",";
}

/** A number with a constant count of decimals, thin space from 1 000, a real minus; no data is an en dash. */
export function formatNumber(value: number | null | undefined, decimals: number, language: Language): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (Math.abs(value) >= 1e7) return formatLarge(value, language);
  const fixed = Math.abs(value).toFixed(decimals);
  const [whole = "0", fraction] = fixed.split(".");
  const negative = value < 0 && Number(fixed) !== 0;
  const grouped = whole.length > 3 ? whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN) : whole;
  return (negative ? MINUS : "") + grouped + (fraction ? decimalMark(language) + fraction : "");
}

function formatLarge(value: number, language: Language): string {
  const [mantissa = "0", exponent = "0"] = Math.abs(value).toExponential(3).split("e");
  return `${value < 0 ? MINUS : ""}${mantissa.replace(".", decimalMark(language))}${THIN}×${THIN}10^${Number(exponent)}`;
}

/** Zeros that are drawn invisible after a number, so that points stand in one column. */
export function invisibleTail(decimals: number, columnDecimals: number, language: Language): string {
  const missing = columnDecimals - decimals;
  if (missing <= 0) return "";
  return (decimals === 0 ? decimalMark(language) : "") + "0".repeat(missing);
}

/** Decimals of a value that no tag describes: three significant digits at most, never more than three decimals. */
export function naturalDecimals(value: number): number {
  const size = Math.abs(value);
  if (size === 0 || size >= 1000) return 0;
  if (size >= 100) return 1;
  if (size >= 1) return 2;
  return 3;
}

/** `0.4 s`, `14 s`, `4 min 49 s`, `33 min`, `4 h 31 min`, `1 d 7 h`: two parts at most. */
export function formatAge(ms: number, language: Language): string {
  const u = units[language];
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${formatNumber(seconds, 1, language)} ${u.s}`;
  if (seconds < 60) return `${Math.floor(seconds)} ${u.s}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return two(minutes, u.min, Math.floor(seconds) % 60, u.s);
  if (minutes < 60) return `${minutes} ${u.min}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, u.h, minutes % 60, u.min);
  return two(Math.floor(hours / 24), u.d, hours % 24, u.h);
}

function two(first: number, firstUnit: string, second: number, secondUnit: string): string {
  return second === 0 ? `${first} ${firstUnit}` : `${first} ${firstUnit} ${second} ${secondUnit}`;
}

/** A configured span, exact: `250 ms`, `15 s`, `2 min`. */
export function formatSpan(ms: number, language: Language): string {
  if (ms < 1000) return `${ms} ${units[language].ms}`;
  if (ms % 60_000 === 0 || ms >= 600_000) return formatAge(ms, language);
  return `${formatNumber(ms / 1000, ms % 1000 === 0 ? 0 : 1, language)} ${units[language].s}`;
}

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number }

const formatters = new Map<string, Intl.DateTimeFormat>();

function partsIn(ms: number, zone: string): Parts {
  let formatter = formatters.get(zone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    });
    formatters.set(zone, formatter);
  }
  const found: Partial<Record<string, number>> = {};
  for (const part of formatter.formatToParts(ms)) found[part.type] = Number(part.value);
  return {
    year: found.year ?? 0, month: found.month ?? 1, day: found.day ?? 1,
    hour: found.hour ?? 0, minute: found.minute ?? 0, second: found.second ?? 0,
  };
}

const pad = (value: number) => String(value).padStart(2, "0");

export function formatClock(ms: number, zone: string, withSeconds = true): string {
  const p = partsIn(ms, zone);
  return `${pad(p.hour)}:${pad(p.minute)}${withSeconds ? `:${pad(p.second)}` : ""}`;
}

export function formatDay(ms: number, zone: string, language: Language): string {
  const p = partsIn(ms, zone);
  return `${p.day} ${months[language][p.month - 1] ?? ""}`;
}

/** Today `14:32:08`, this year `24 Nov 14:32`, else `24 Nov 2025`. */
export function formatStamp(ms: number, now: number, zone: string, language: Language): string {
  const p = partsIn(ms, zone);
  const n = partsIn(now, zone);
  if (p.year === n.year && p.month === n.month && p.day === n.day) return formatClock(ms, zone);
  const day = `${p.day} ${months[language][p.month - 1] ?? ""}`;
  if (p.year === n.year) return `${day} ${pad(p.hour)}:${pad(p.minute)}`;
  return `${day} ${p.year}`;
}

/** `UTC+5`, `UTC+5:30`, `UTC`. */
export function zoneOffset(ms: number, zone: string): string {
  const p = partsIn(ms, zone);
  const shifted = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  const minutes = Math.round((shifted - Math.floor(ms / 1000) * 1000) / 60_000);
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  const rest = size % 60;
  return `UTC${minutes < 0 ? MINUS : "+"}${Math.floor(size / 60)}${rest ? `:${pad(rest)}` : ""}`;
}

export interface Tick { at: number; label: string }

const STEPS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800].map((s) => s * 1000);

/** Marks of a time axis on round local times; at most `most` of them. */
export function timeTicks(from: number, to: number, most: number, zone: string, language: Language): Tick[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? STEPS[STEPS.length - 1]!;
  const p = partsIn(from, zone);
  const offset = Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(from / 1000) * 1000;
  const ticks: Tick[] = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) {
    ticks.push({ at, label: step >= 86_400_000 ? formatDay(at, zone, language) : formatClock(at, zone, step < 60_000) });
  }
  return ticks;
}

/** SenML's names of units (RFC 8428 and its registry) as people write them; all others as they are. */
const writtenUnits: Record<string, string> = {
  "/": "",
  "Cel": "°C",
  "m3": "m³",
  "m3/h": "m³/h",
  "m3/s": "m³/s",
  "m2": "m²",
  "m/s2": "m/s²",
  "%RH": "% RH",
  "W/m2": "W/m²",
};

export function writeUnit(unit: string): string {
  return writtenUnits[unit] ?? unit;
}
