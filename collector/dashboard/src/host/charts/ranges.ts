// The ranges that the charts can show, as the address names them.
import { WINDOW_S } from '../../feed/ring.ts';

export interface Range {
  /** In the address. */
  id: string;
  title: string;
  long_s: number;
  /** How often it is asked anew: as its rows come, or where each sample is drawn, to heal gaps. */
  refresh_ms: number;
}

const MINUTE_MS = 60_000;
const HOUR_S = 3600;

export const RANGES = [
  { id: '10m', title: '10 min', long_s: WINDOW_S, refresh_ms: MINUTE_MS },
  { id: '1h', title: '1 h', long_s: HOUR_S, refresh_ms: MINUTE_MS / 2 },
  { id: '6h', title: '6 h', long_s: 6 * HOUR_S, refresh_ms: MINUTE_MS },
  { id: '24h', title: '24 h', long_s: 24 * HOUR_S, refresh_ms: MINUTE_MS },
  { id: '7d', title: '7 d', long_s: 7 * 24 * HOUR_S, refresh_ms: 5 * MINUTE_MS },
  { id: '30d', title: '30 d', long_s: 30 * 24 * HOUR_S, refresh_ms: 5 * MINUTE_MS },
] as const satisfies readonly Range[];

/** The one that goes on with each sample. */
export const LIVE: Range = RANGES[0];

/** So long at least is the live axis. */
const LEAST_S = 120;

/** What the axis shows, in seconds. Of a host that is new the live one grows, so that its first minute
    is no sliver. */
export function axisOf(range: Range, to_s: number, firstSeen_s: number): [number, number] {
  const from_s = to_s - range.long_s;
  if (range !== LIVE || Number.isNaN(firstSeen_s)) return [from_s, to_s];
  return [Math.max(from_s, Math.min(firstSeen_s, to_s - LEAST_S)), to_s];
}

export const rangeOf = (id: string | undefined): Range =>
  RANGES.find((range) => range.id === id) ?? LIVE;
