// A series in three figures; gaps count for nothing.
import type { Values } from './series.ts';

export interface Summary {
  mean: number | null;
  peak: number | null;
  lowest: number | null;
}

/** `peaks` has the greatest of the samples of each row, where rows are sums of samples. */
export function summarise(values: Values, peaks: Values = values): Summary {
  let n = 0;
  let sum = 0;
  let lowest = Infinity;
  for (const value of values) {
    if (value === null) continue;
    n++;
    sum += value;
    lowest = Math.min(lowest, value);
  }
  if (n === 0) return { mean: null, peak: null, lowest: null };
  let peak = -Infinity;
  for (const value of peaks) if (value !== null) peak = Math.max(peak, value);
  for (const value of values) if (value !== null) peak = Math.max(peak, value);
  return { mean: sum / n, peak, lowest };
}
