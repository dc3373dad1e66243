// Rows of the list out of changes: many of one type within a few seconds are one row, since forty hosts
// behind one switch are one thing to read; and where a new run of the collector begins, a line.
import type { Change } from '../feed/contract.ts';
import { causeOf, titleOf } from './kinds.ts';
import { keyOf } from './log.ts';

/** Fewer than this are told one by one. */
export const ALIKE = 4;
/** Longer than this without one more of its type, and a group is over. */
const PAUSE_MS = 3000;
/** A group is never longer than this, so that a storm without end is told in pieces. */
const LONGEST_MS = 15_000;

export type Row =
  | { kind: 'one'; key: string; change: Change }
  | { kind: 'many'; key: string; type: string; changes: readonly Change[]; cause: string }
  | { kind: 'run'; key: string; epoch: string; at: string | null };

interface Group {
  changes: Change[];
  began_ms: number;
  last_ms: number;
}

/** Of changes that are oldest first, the rows, newest first. A group stands where its newest stands.
    `epoch` is the run that goes on now, which may have told nothing yet. */
export function rowsOf(changes: readonly Change[], epoch: string | null = null): Row[] {
  const groups = grouped(changes);
  const rows: Row[] = [];
  for (const group of groups) {
    if (group.changes.length >= ALIKE) rows.push(many(group.changes));
    else rows.push(...group.changes.map(one));
  }
  const place = new Map(changes.map((change, index) => [change, index]));
  rows.sort((a, b) => place.get(newest(b))! - place.get(newest(a))!);
  const last = changes.at(-1);
  const isAnew = epoch !== null && last !== undefined && last.epoch !== epoch;
  const begun: Row[] = isAnew ? [{ kind: 'run', key: `run ${epoch}`, epoch, at: null }] : [];
  return [...begun, ...withRuns(rows)];
}

function grouped(changes: readonly Change[]): Group[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const change of changes) {
    const at_ms = Date.parse(change.at);
    const key = `${change.epoch} ${change.type}`;
    const group = open.get(key);
    if (group && at_ms - group.last_ms <= PAUSE_MS && at_ms - group.began_ms <= LONGEST_MS) {
      group.changes.push(change);
      group.last_ms = at_ms;
    } else {
      const begun = { changes: [change], began_ms: at_ms, last_ms: at_ms };
      open.set(key, begun);
      groups.push(begun);
    }
  }
  return groups;
}

const one = (change: Change): Row => ({ kind: 'one', key: keyOf(change), change });

function many(changes: readonly Change[]): Row {
  const first = changes[0]!;
  const cause = causeOf(first);
  const isShared = changes.every((change) => causeOf(change) === cause);
  // Named by its oldest, which stays the same while more join it.
  const key = `many ${keyOf(first)}`;
  return {
    kind: 'many',
    key,
    type: first.type,
    changes,
    cause: isShared ? cause : kindsIn(changes),
  };
}

const KINDS_MOST = 3;

/** Of changes that are not all alike what they are: `28 × Alert: GPU hot, 3 × Alert: Host offline`. */
function kindsIn(changes: readonly Change[]): string {
  const counts = new Map<string, number>();
  for (const title of changes.map(titleOf)) counts.set(title, (counts.get(title) ?? 0) + 1);
  if (counts.size < 2) return [...counts.keys()].filter((title) => title.includes(':')).join();
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, KINDS_MOST);
  const more = counts.size > KINDS_MOST ? ' and more' : '';
  return most.map(([title, n]) => `${n} × ${title}`).join(', ') + more;
}

const newest = (row: Row): Change =>
  row.kind === 'many' ? row.changes.at(-1)! : (row as Row & { kind: 'one' }).change;

/** A line above the first of each run but the oldest that is known. */
function withRuns(rows: readonly Row[]): Row[] {
  const lined: Row[] = [];
  for (const [index, row] of rows.entries()) {
    const above = index > 0 ? newest(rows[index - 1]!) : null;
    if (above && above.epoch !== newest(row).epoch) {
      lined.push({ kind: 'run', key: `run ${above.epoch}`, epoch: above.epoch, at: above.at });
    }
    lined.push(row);
  }
  return lined;
}
