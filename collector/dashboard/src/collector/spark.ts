// The line of a figure as the path of a picture, `width` by `height`, the newest at the right.
import { GAP_MS, windowOf, type Figure, type Reading } from './readings.ts';

export interface Spark {
  /** The line, broken where nothing is known. */
  line: string;
  /** What lies below it. */
  area: string;
  least: number | null;
  most: number | null;
}

export const WIDTH = 300;
export const HEIGHT = 48;

export function sparkOf(readings: readonly Reading[], figure: Figure, now_ms: number): Spark {
  const values = readings.map((one) => one[figure]).filter((value) => value !== null);
  if (values.length === 0) return { line: '', area: '', least: null, most: null };
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const runs = runsOf(readings, figure, now_ms, most);
  const text = (run: Point[]) => run.map(({ x, y }) => `${x} ${y}`).join('L');
  return {
    line: runs.map((run) => `M${text(run)}`).join(''),
    area: runs
      .map((run) => `M${run[0]!.x} ${HEIGHT}L${text(run)}L${run.at(-1)!.x} ${HEIGHT}Z`)
      .join(''),
    least,
    most,
  };
}

interface Point {
  x: number;
  y: number;
}

function runsOf(
  readings: readonly Reading[],
  figure: Figure,
  now_ms: number,
  most: number,
): Point[][] {
  const runs: Point[][] = [];
  let last_ms = -Infinity;
  for (const reading of readings) {
    const value = reading[figure];
    if (value === null) continue;
    const point = {
      x: rounded(WIDTH * (1 - (now_ms - reading.at_ms) / windowOf(readings, now_ms))),
      // Zero is the ground, so that a small wobble does not look like a mountain.
      y: rounded(HEIGHT - (value / Math.max(most, 1e-9)) * (HEIGHT - 4) - 1),
    };
    if (reading.at_ms - last_ms > GAP_MS) runs.push([]);
    runs.at(-1)!.push(point);
    last_ms = reading.at_ms;
  }
  return runs;
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** The reading nearest to a place on the picture, from 0 at its left to 1. */
export function nearest(
  readings: readonly Reading[],
  share: number,
  now_ms: number,
): Reading | null {
  const at_ms = now_ms - (1 - share) * windowOf(readings, now_ms);
  let best: Reading | null = null;
  for (const reading of readings) {
    if (!best || Math.abs(reading.at_ms - at_ms) < Math.abs(best.at_ms - at_ms)) best = reading;
  }
  return best && Math.abs(best.at_ms - at_ms) <= GAP_MS ? best : null;
}
