// What became of a host over a time, as pieces of one status each.
import type { HostStatus, StatusChange } from '../../feed/contract.ts';

/** `none`: it was not listed; `missed`: what happened was not written down. */
export type Was = HostStatus | 'none' | 'missed';

export interface Piece {
  from_ms: number;
  to_ms: number;
  was: Was;
  cause: string | null;
}

const STATUSES: readonly string[] = ['unknown', 'online', 'degraded', 'stale', 'offline'];
const wasOf = (word: string | null, otherwise: Was): Was =>
  word !== null && STATUSES.includes(word) ? (word as HostStatus) : otherwise;

/** `changes` as the collector tells them: the newest first. `now` is its status at the end. */
export function pieces(
  changes: readonly StatusChange[],
  now: HostStatus,
  from_ms: number,
  to_ms: number,
): Piece[] {
  const out: Piece[] = [];
  let end_ms = to_ms;
  for (const [i, change] of changes.entries()) {
    const at_ms = Date.parse(change.at);
    if (Number.isNaN(at_ms) || at_ms >= end_ms) continue;
    const was = i === 0 ? now : wasOf(change.to, 'missed');
    out.push({ from_ms: Math.max(at_ms, from_ms), to_ms: end_ms, was, cause: change.cause });
    if (at_ms <= from_ms) return out.reverse();
    end_ms = at_ms;
  }
  const first = changes.at(-1);
  const was = first ? wasOf(first.from, 'none') : now;
  if (end_ms > from_ms) out.push({ from_ms, to_ms: end_ms, was, cause: null });
  return out.reverse();
}

/** How long it was what, the longest first. */
export function totals(all: readonly Piece[]): { was: Was; ms: number }[] {
  const sums = new Map<Was, number>();
  for (const { was, from_ms, to_ms } of all) sums.set(was, (sums.get(was) ?? 0) + to_ms - from_ms);
  return [...sums].map(([was, ms]) => ({ was, ms })).sort((a, b) => b.ms - a.ms);
}

const IN_WORDS: Partial<Record<Was, string>> = { none: 'not listed', missed: 'not written down' };

export const inWords = (was: Was): string => IN_WORDS[was] ?? was;

/** As people speak of long times: `3 h 20 min`, `41 s`. */
export function long(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
