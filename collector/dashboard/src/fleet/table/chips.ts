// How many names fit beside each other as chips. Letters are counted, since measuring each name of each row
// would cost more than drawing it.

/** A frame, and the gap to the next one, in letters. */
const FRAME = 4;
/** A longer name is cut. */
const LONGEST = 18;

/** At least one, where there is any. */
export function fitting(names: readonly string[], letters: number): number {
  let [n, used] = [0, 0];
  for (const name of names) {
    used += Math.min(name.length, LONGEST) + FRAME;
    if (n > 0 && used > letters) break;
    n++;
  }
  return n;
}
