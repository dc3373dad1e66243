// The events of one host: what the collector still holds, and what came since this page is open.
import { ApiError } from '../../feed/api.ts';
import type { Change, Events } from '../../feed/contract.ts';

export const EVENTS_MOST = 200;
/** How far back is asked, in changes of the whole fleet; what is no longer held is asked less far. */
const BACK = [10_000, 5000, 2000, 500, 0];
/** One answer ends at some MiB; a host that fills more of them than this is told of its newest. */
const PAGES_MOST = 20;

type Ask = (since: string) => Promise<Events>;

/** The newest events up to `seq`, oldest first. */
export async function backfill(ask: Ask, epoch: string, seq: number): Promise<Change[]> {
  for (const back of BACK) {
    try {
      return await from(ask, `${epoch}:${Math.max(0, seq - back)}`);
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 410;
      if (!isGone || back === 0) throw error;
    }
  }
  return [];
}

async function from(ask: Ask, since: string): Promise<Change[]> {
  const events: Change[] = [];
  let cursor = since;
  for (let page = 0; page < PAGES_MOST; page++) {
    const answer = await ask(cursor);
    events.push(...(answer.events as unknown as Change[]));
    if (answer.events.length === 0 || answer.next === cursor) break;
    cursor = answer.next;
  }
  return events.slice(-EVENTS_MOST);
}

/** `known` with what of `changes` is of this host and newer, oldest first; the same where there is none. */
export function follow(
  known: readonly Change[],
  changes: readonly Change[],
  hostId: string,
  after: { epoch: string; seq: number },
): readonly Change[] {
  const last = known.at(-1);
  const seq = last && last.epoch === after.epoch ? Math.max(after.seq, last.seq) : after.seq;
  const newer: Change[] = [];
  for (let i = changes.length - 1; i >= 0; i--) {
    const change = changes[i]!;
    if (change.epoch !== after.epoch || change.seq <= seq) break;
    if (change.host_id === hostId) newer.push(change);
  }
  if (newer.length === 0) return known;
  return [...known, ...newer.reverse()].slice(-EVENTS_MOST);
}

const TITLES: Record<string, string> = {
  'host.stale': 'Host went silent',
  'host.finding_raised': 'Finding raised',
  'host.finding_cleared': 'Finding cleared',
  'host.cloned': 'Second machine with its identity',
  'service.state': 'Service does something else',
  'service.flapping': 'Service keeps changing its mind',
  'model.loaded': 'Model warm',
  'model.unloaded': 'Model cold',
};

/** `model.installed` → `Model installed`. */
export function titleOf(type: string): string {
  const spaced = type.replace('.', ' ').replaceAll('_', ' ').replace(/^gpu/, 'GPU');
  return TITLES[type] ?? spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
