// How long the page waits before it dials again. A value without a clock: randomness comes in.
// Decorrelated jitter: each wait lies between the floor and three times the last one, under the cap,
// so that many open pages spread out after a restart of the collector.

export const FLOOR_MS = 500;
export const CAP_MS = 20_000;

export interface Backoff {
  last_ms: number;
}

export const FIRST: Backoff = { last_ms: FLOOR_MS };

export function next(backoff: Backoff, random: number): { wait_ms: number; backoff: Backoff } {
  const share = Math.min(1, Math.max(0, Number.isFinite(random) ? random : 1));
  const ceiling = Math.min(CAP_MS, Math.max(FLOOR_MS, backoff.last_ms) * 3);
  const wait_ms = Math.round(FLOOR_MS + share * (ceiling - FLOOR_MS));
  return { wait_ms, backoff: { last_ms: wait_ms } };
}
