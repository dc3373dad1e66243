// Where keys lead in a list of lines.

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -Infinity,
  End: Infinity,
};

/** From a line, or from -1 where none is active; null for keys that lead nowhere. */
export function lineAfter(key: string, line: number, n_lines: number): number | null {
  if (!Object.hasOwn(STEPS, key)) return null;
  return Math.min(n_lines - 1, Math.max(0, line + STEPS[key]!));
}
