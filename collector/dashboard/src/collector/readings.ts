// The figures of the last ten minutes, one reading for each answer, so that the page can draw how they
// went. They are of this page: the collector keeps none.
import type { Stats } from '../feed/contract.ts';

export const KEPT_MS = 600_000;
/** Beyond this between two readings nothing is known: the page was hidden, or nobody answered. */
export const GAP_MS = 15_000;
/** Two a second for ten minutes: more than are asked for. */
const MOST = 1200;

const MINUTE_MS = 60_000;

export const FIGURES = ['agents', 'samples', 'changes', 'lateness', 'queue', 'memory'] as const;
export type Figure = (typeof FIGURES)[number];

export interface Reading extends Record<Figure, number | null> {
  at_ms: number;
  /** What grows, to tell how much of it is recent. */
  stalled_ms: number;
  dropped: number;
}

export class Readings {
  #all: Reading[] = [];
  #last: Stats | null = null;

  get all(): readonly Reading[] {
    return this.#all;
  }

  push(stats: Stats): void {
    const at_ms = Date.parse(stats.at);
    const last = this.#last;
    if (Number.isNaN(at_ms) || (last && last.epoch === stats.epoch && last.at === stats.at)) return;
    // Another run counts anew, and what was before a step of the clock cannot be drawn.
    const isNewRun = last !== null && last.epoch !== stats.epoch;
    if (isNewRun || (last && at_ms < Date.parse(last.at))) this.#all = [];
    this.#all.push(readingOf(stats, at_ms, isNewRun ? null : last));
    this.#last = stats;
    const first = this.#all.findIndex((one) => one.at_ms >= at_ms - KEPT_MS);
    this.#all.splice(0, Math.max(first, this.#all.length - MOST));
  }

  /** How much of what grows came within what is kept. */
  grown(what: 'stalled_ms' | 'dropped'): number {
    return (this.#all.at(-1)?.[what] ?? 0) - (this.#all[0]?.[what] ?? 0);
  }
}

function readingOf(stats: Stats, at_ms: number, last: Stats | null): Reading {
  const seconds = last ? (at_ms - Date.parse(last.at)) / 1000 : 0;
  const changes = last && seconds > 0 ? (stats.changes_total - last.changes_total) / seconds : null;
  return {
    at_ms,
    agents: stats.agents,
    samples: stats.samples_per_second,
    changes,
    lateness: stats.sweep_lateness_ms,
    queue: stats.store_queue,
    memory: stats.process.resident_memory_bytes ?? null,
    stalled_ms: stats.stalled_ms_total,
    dropped: sum(stats.dropped),
  };
}

export const sum = (by: Record<string, number>): number =>
  Object.values(by).reduce((all, n) => all + n, 0);

/** How long the picture reaches back: as far as there is something, a minute at least. */
export function windowOf(readings: readonly Reading[], now_ms: number): number {
  const known_ms = now_ms - (readings[0]?.at_ms ?? now_ms);
  return Math.min(KEPT_MS, Math.max(MINUTE_MS, known_ms));
}

export interface Minute {
  at_ms: number;
  mean: Record<Figure, number | null>;
  most: Record<Figure, number | null>;
}

/** The same by the minute, the newest first, for who reads tables. */
export function minutes(readings: readonly Reading[]): Minute[] {
  const by = new Map<number, Reading[]>();
  for (const reading of readings) {
    const minute = Math.floor(reading.at_ms / MINUTE_MS) * MINUTE_MS;
    const of = by.get(minute);
    if (of) of.push(reading);
    else by.set(minute, [reading]);
  }
  const known = (of: Reading[], figure: Figure) =>
    of.map((one) => one[figure]).filter((value) => value !== null);
  const each = (of: Reading[], take: (values: number[]) => number) =>
    Object.fromEntries(
      FIGURES.map((figure) => {
        const values = known(of, figure);
        return [figure, values.length === 0 ? null : take(values)];
      }),
    ) as Record<Figure, number | null>;
  return [...by].reverse().map(([at_ms, of]) => ({
    at_ms,
    mean: each(of, (values) => values.reduce((all, value) => all + value, 0) / values.length),
    most: each(of, (values) => Math.max(...values)),
  }));
}
