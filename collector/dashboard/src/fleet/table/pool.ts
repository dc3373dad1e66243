// Lines by their place in a pool, so that scrolling renews a row's texts instead of its nodes. A line
// that says the same as before is the same object, and costs nothing.
import type { Group, Lines } from '../groups.ts';
import type { Row } from './row.ts';
import type { Place } from './virtual.svelte.ts';

export interface Slot extends Place {
  slot: number;
  row: Row | null;
  group: Group | null;
}

export class Pool {
  #before = new Map<number, Slot>();

  fill(places: readonly Place[], lines: Lines, rowOf: (id: string) => Row | null): Slot[] {
    const size = 2 ** Math.ceil(Math.log2(Math.max(32, places.length)));
    const after = new Map<number, Slot>();
    for (const { line, top } of places) {
      const found = lines.at(line);
      const row = found?.kind === 'host' ? rowOf(found.id) : null;
      const group = found?.kind === 'group' ? found.group : null;
      if (!row && !group) continue;
      const made: Slot = { slot: line % size, line, top, row, group };
      const old = this.#before.get(made.slot);
      after.set(made.slot, old && same(old, made) ? old : made);
    }
    this.#before = after;
    return [...after.values()].sort((a, b) => a.slot - b.slot);
  }
}

const same = (a: Slot, b: Slot): boolean =>
  a.line === b.line && a.top === b.top && a.row === b.row && a.group === b.group;
