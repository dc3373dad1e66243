// Numbers and times as people read them. What is not known is a dash, never a zero.

export const DASH = '–';

type Known = number | null | undefined;

const known = (value: Known): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export function percent(value: Known): string {
  return known(value) ? `${Math.round(value)} %` : DASH;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
/** Memory is spoken of in GiB, so that unit goes on to ten thousand. */
const GIB = 3;

export function bytes(value: Known): string {
  if (!known(value)) return DASH;
  const unit = unitOf(value);
  return `${scaled(value, unit)} ${UNITS[unit]}`;
}

/** `61.2 / 80 GiB`: one unit for both, that of the whole. */
export function share(used: Known, total: Known): string {
  if (!known(total)) return known(used) ? bytes(used) : DASH;
  const unit = unitOf(total);
  return `${known(used) ? scaled(used, unit) : DASH} / ${scaled(total, unit)} ${UNITS[unit]}`;
}

export function shareOf(used: Known, total: Known): number | null {
  return known(used) && known(total) && total > 0 ? (100 * used) / total : null;
}

function unitOf(value: number): number {
  let unit = 0;
  let rest = Math.abs(value);
  while (unit < UNITS.length - 1 && rest >= (unit === GIB ? 10_000 : 1000)) {
    rest /= 1024;
    unit++;
  }
  return unit;
}

function scaled(value: number, unit: number): string {
  const size = value / 1024 ** unit;
  const digits = unit === 0 || size >= 100 || Math.abs(size - Math.round(size)) < 0.05 ? 0 : 1;
  return size >= 1000 ? count(Math.round(size)) : size.toFixed(digits);
}

export function rate(value: Known): string {
  return known(value) ? `${bytes(value)}/s` : DASH;
}

/** Kept, since making one costs more than the row it is for. */
const GROUPED = new Intl.NumberFormat('en-US');

export function count(value: Known): string {
  return known(value) ? GROUPED.format(value) : DASH;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function celsius(value: Known): string {
  return known(value) ? `${Math.round(value)} °C` : DASH;
}

export function watts(used: Known, limit: Known): string {
  if (!known(used)) return DASH;
  return known(limit) ? `${Math.round(used)} / ${Math.round(limit)} W` : `${Math.round(used)} W`;
}

const STEPS: [number, string][] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
];

/** A length of time in its largest whole unit: `42 s`, `3 min`, `5 d`. */
export function span(milliseconds: Known): string {
  if (!known(milliseconds)) return DASH;
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [size, unit] of STEPS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}

export function ago(at: string | null | undefined, now_ms: number): string {
  const then = at ? Date.parse(at) : NaN;
  if (Number.isNaN(then)) return DASH;
  const age = now_ms - then;
  return age < 3000 ? 'now' : `${span(age)} ago`;
}

/** A moment to the second, in the reader's zone: `2026-11-21 14:03:07`. */
export function moment(at: string | null | undefined): string {
  const then = at ? new Date(at) : null;
  if (!then || Number.isNaN(then.getTime())) return DASH;
  const two = (n: number) => String(n).padStart(2, '0');
  const day = [then.getFullYear(), two(then.getMonth() + 1), two(then.getDate())].join('-');
  return `${day} ${[then.getHours(), then.getMinutes(), then.getSeconds()].map(two).join(':')}`;
}

/** `gpu_lost` → `GPU lost`. */
export function words(code: string): string {
  const spaced = code.replaceAll('_', ' ').trim();
  const upper = spaced.replace(/\b(gpu|cpu|vram|nvml|psi|ecc)\b/gi, (word) => word.toUpperCase());
  return upper.charAt(0).toUpperCase() + upper.slice(1);
}
