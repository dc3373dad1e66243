// Where the reader was in the fleet, so that coming back from a host shows the same place again. It is
// kept as long as the page is open; filters and order are in the address.
import { href, type Query } from '../route.ts';
import type { Filters } from './filter/filters.ts';

interface Kept {
  query: Query;
  top_px: number;
  active: string | null;
}

let kept: Kept = { query: {}, top_px: 0, active: null };

export function leave(query: Query, top_px: number, active: string | null): void {
  kept = { query, top_px, active };
}

/** Where it was, if the same part of the fleet is shown as then. */
export function back(query: Query): Kept | null {
  return same(query, kept.query) ? kept : null;
}

/** The fleet as it was left. */
export const fleetHref = (): string => href('hosts', null, kept.query);

function same(a: Query, b: Query): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}

/** Groups that the reader has folded, by what they are grouped by. */
const foldedBy = new Map<string, ReadonlySet<string | null>>();
const FOLDED_MOST = 50;
const NONE: ReadonlySet<string | null> = new Set();

const key = ({ group }: Filters): string => JSON.stringify(group);

export const foldedOf = (filters: Filters): ReadonlySet<string | null> =>
  foldedBy.get(key(filters)) ?? NONE;

export function keepFolded(filters: Filters, folded: ReadonlySet<string | null>): void {
  if (foldedBy.size >= FOLDED_MOST) foldedBy.clear();
  foldedBy.set(key(filters), folded);
}
