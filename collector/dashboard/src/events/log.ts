// The changes that the page holds, in order and each once: runs of the collector as they were seen,
// numbers within a run. No clock, no request, no rendering.
import type { Change } from '../feed/contract.ts';

/** As many are held at first, and more with each look further back; the oldest go first. */
export const STEP = 1000;
export const MOST = 5000;
/** As many more while the reader holds the list, so that it does not melt away below. */
export const MORE_HELD = 2000;

/** `epoch:seq`: the collector's cursor as well. */
export const keyOf = (change: Pick<Change, 'epoch' | 'seq'>): string =>
  `${change.epoch}:${change.seq}`;

export class EventLog {
  /** Oldest first. */
  changes: readonly Change[] = [];
  #runs: string[] = [];
  #keys = new Set<string>();

  /** Takes in what is new of them; says how many that were. */
  take(changes: readonly Change[], most = STEP): number {
    const fresh = changes.filter((change) => this.#isNew(change));
    if (fresh.length === 0) {
      if (this.changes.length > most) this.#keep(this.changes, most);
      return 0;
    }
    const all = [...this.changes, ...fresh];
    if (!isOrdered(all, this.#runs)) {
      const run = new Map(this.#runs.map((epoch, index) => [epoch, index]));
      all.sort((a, b) => run.get(a.epoch)! - run.get(b.epoch)! || a.seq - b.seq);
    }
    this.#keep(all, most);
    return fresh.length;
  }

  /** Where a change stands among all; a run that was never seen is behind everything. */
  isAfter(change: Change, cursor: Pick<Change, 'epoch' | 'seq'>): boolean {
    if (change.epoch === cursor.epoch) return change.seq > cursor.seq;
    return this.#runs.indexOf(change.epoch) > this.#runs.indexOf(cursor.epoch);
  }

  #isNew(change: Change): boolean {
    const key = keyOf(change);
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (!this.#runs.includes(change.epoch)) this.#runs.push(change.epoch);
    return true;
  }

  #keep(changes: readonly Change[], most: number): void {
    this.changes = changes.slice(-most);
    this.#keys = new Set(this.changes.map(keyOf));
  }
}

function isOrdered(changes: readonly Change[], runs: readonly string[]): boolean {
  let before: Change | null = null;
  for (const change of changes) {
    if (before !== null) {
      const isSame = before.epoch === change.epoch;
      if (isSame && before.seq > change.seq) return false;
      if (!isSame && runs.indexOf(before.epoch) > runs.indexOf(change.epoch)) return false;
    }
    before = change;
  }
  return true;
}
