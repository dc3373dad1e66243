// What happened before the page looked: asked of the collector as far back as its ring of changes
// reaches. There is no way to ask for the oldest that it holds, so a place that is gone (410) is asked
// for again at half the distance.
import { ApiError, get } from '../feed/api.ts';
import type { Change } from '../feed/contract.ts';
import { keyOf, STEP } from './log.ts';

/** What the ring holds at least, unless its changes are very large. */
const RING = 10_000;
/** Fewer rows than this of a filter are worth a look further back. */
const FEW = 300;
/** Closer than this to a place that is there is close enough. */
const CLOSE = 16;
/** A busy fleet goes on while it is asked. */
const PAGES_MOST = 40;

interface Events {
  events: Change[];
  next: string;
}

export interface Past {
  changes: Change[];
  /** What stands before that: nothing, changes not looked at, or changes that nobody has any more. */
  before: 'nothing' | 'more' | 'gone';
}

/** The filter as the collector takes it. */
type Asked = Record<string, string>;

export interface Place {
  epoch: string;
  seq: number;
}

/** The last changes up to a place that are wanted, `most` at the most. */
export async function lastUpTo(
  place: Place,
  asked: Asked,
  most: number,
  signal: AbortSignal,
): Promise<Past> {
  const near = await look(place, most, { asked, most, signal });
  const isFiltered = Object.keys(asked).length > 0;
  if (!isFiltered || near.before !== 'more' || near.changes.length >= FEW) return near;
  return look(place, RING, { asked, most, signal });
}

/** What is wanted of what happened since a place, in the same run; nothing where that is gone. */
export async function since(
  place: Place,
  asked: Asked,
  most: number,
  signal: AbortSignal,
): Promise<Change[]> {
  const walked = await orGone(() => walk(place, { asked, most, signal }));
  return walked?.changes ?? [];
}

interface Asking {
  asked: Asked;
  most: number;
  signal: AbortSignal;
}

async function look(place: Place, depth: number, asking: Asking): Promise<Past> {
  const back = (by: number): Place => ({ ...place, seq: Math.max(0, place.seq - by) });
  const all = await orGone(() => walk(back(depth), asking));
  if (all) {
    const isMore = all.isCut || place.seq > depth;
    return { changes: all.changes, before: isMore ? 'more' : 'nothing' };
  }
  const { asked, most, signal } = asking;
  const reached = await reach((by) => isThere(back(by), signal), Math.min(depth, place.seq));
  return { changes: await since(back(reached), asked, most, signal), before: 'gone' };
}

/** How far back there is something, when there is nothing as far as `gone`. */
export async function reach(
  isThere: (by: number) => Promise<boolean>,
  gone: number,
): Promise<number> {
  let there = 0;
  while (gone - there > CLOSE) {
    const middle = Math.floor((there + gone) / 2);
    if (await isThere(middle)) there = middle;
    else gone = middle;
  }
  // What is oldest now may be gone with the next question.
  return Math.max(0, there - CLOSE);
}

async function isThere(place: Place, signal: AbortSignal): Promise<boolean> {
  const query = { since: keyOf(place), limit: 1, view: 'summary' };
  return (await orGone(() => get<Events>('events', { query, signal }))) !== null;
}

interface Walked {
  changes: Change[];
  /** There were more than are kept. */
  isCut: boolean;
}

async function walk(place: Place, { asked, most, signal }: Asking): Promise<Walked> {
  let changes: Change[] = [];
  let isCut = false;
  let cursor = keyOf(place);
  for (let page = 0; page < PAGES_MOST; page++) {
    const query = { ...asked, view: 'summary', limit: STEP, since: cursor };
    const { events, next } = await get<Events>('events', { query, signal });
    changes.push(...events);
    if (changes.length > most) {
      isCut = true;
      changes = changes.slice(-most);
    }
    if (events.length === 0) break;
    cursor = next;
  }
  return { changes, isCut };
}

async function orGone<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.status === 410) return null;
    throw error;
  }
}
