// A series in two figures; gaps count for nothing.

export interface Summary {
  mean: number | null;
  peak: number | null;
}

export function summarise(series: readonly (number | null)[]): Summary {
  let n = 0;
  let sum = 0;
  let peak = -Infinity;
  for (const value of series) {
    if (value === null) continue;
    n++;
    sum += value;
    peak = Math.max(peak, value);
  }
  return n === 0 ? { mean: null, peak: null } : { mean: sum / n, peak };
}
