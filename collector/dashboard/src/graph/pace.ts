// When the graph is asked anew: of a small fleet soon after each change that alters it. The graph of
// thousands of hosts is megabytes, so there what changed meanwhile is asked for together.

export const SMALL_FLEET = 300;
export const LARGE_MS = 30_000;

export class Pace {
  #isOld = false;

  /** `asked_ms`: when the graph was asked for last. */
  constructor(private asked_ms: number) {}

  /** Whether to ask now, given what was heard since the last call and how many hosts and services there are. */
  isDue(isNews: boolean, n_nodes: number, now_ms: number): boolean {
    this.#isOld ||= isNews;
    const wait_ms = n_nodes > SMALL_FLEET ? LARGE_MS : 0;
    if (!this.#isOld || now_ms - this.asked_ms < wait_ms) return false;
    this.#isOld = false;
    this.asked_ms = now_ms;
    return true;
  }
}
