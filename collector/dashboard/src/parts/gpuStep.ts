// How busy a GPU is, as one of the eleven colours --use-0 … --use-10; null where that is not known.

export const STEPS = 11;

export function useStep(utilization_percent: number | null): number | null {
  if (utilization_percent === null || !Number.isFinite(utilization_percent)) return null;
  return Math.round(Math.min(100, Math.max(0, utilization_percent)) / 10);
}
