// What the feed said since one looked last.
import type { Change } from '../feed/contract.ts';

export class Since {
  #epoch = '';
  #seq = -1;

  /** Starts behind the last of these, so that what was said before is no news. */
  constructor(changes: readonly Change[]) {
    this.#mark(changes);
  }

  /** The changes that came since the last call, the newest first. */
  news(changes: readonly Change[]): Change[] {
    const found: Change[] = [];
    for (let i = changes.length - 1; i >= 0; i--) {
      const change = changes[i]!;
      if (change.epoch === this.#epoch && change.seq <= this.#seq) break;
      found.push(change);
    }
    this.#mark(changes);
    return found;
  }

  #mark(changes: readonly Change[]): void {
    const last = changes.at(-1);
    if (!last) return;
    this.#epoch = last.epoch;
    this.#seq = last.seq;
  }
}
