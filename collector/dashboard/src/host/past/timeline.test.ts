import { expect, it } from 'vitest';
import type { StatusChange } from '../../feed/contract.ts';
import { long, pieces, totals } from './timeline.ts';

const at = (ms: number) => new Date(ms).toISOString();
const change = (
  ms: number,
  from: string | null,
  to: string | null,
  cause = null,
): StatusChange => ({
  at: at(ms),
  from,
  to,
  cause,
  n_more: 0,
});
/** As the collector tells it: the newest first. */
const told = [
  change(8000, 'stale', 'online'),
  change(6000, 'online', 'stale'),
  change(2000, 'unknown', 'online'),
  change(1000, null, 'unknown'),
];
const short = (from_ms: number, to_ms: number, changes = told) =>
  pieces(changes, 'online', from_ms, to_ms).map((piece) => [
    piece.was,
    piece.to_ms - piece.from_ms,
  ]);

it('cuts a time into pieces of one status, the oldest first', () => {
  expect(short(0, 10_000)).toEqual([
    ['none', 1000],
    ['unknown', 1000],
    ['online', 4000],
    ['stale', 2000],
    ['online', 2000],
  ]);
});

it('begins with what it was when the time began', () => {
  expect(short(3000, 10_000)).toEqual([
    ['online', 3000],
    ['stale', 2000],
    ['online', 2000],
  ]);
  expect(short(9000, 10_000)).toEqual([['online', 1000]]);
  expect(short(0, 10_000, [])).toEqual([['online', 10_000]]);
});

it('knows what was not written down', () => {
  const missed = [change(5000, 'offline', 'online'), change(3000, 'online', null)];
  expect(short(0, 6000, missed)).toEqual([
    ['online', 3000],
    ['missed', 2000],
    ['online', 1000],
  ]);
});

it('fills the whole time, and sums up', () => {
  const all = pieces(told, 'online', 500, 9500);
  expect(totals(all).reduce((sum, { ms }) => sum + ms, 0)).toBe(9000);
  expect(totals(all)[0]).toEqual({ was: 'online', ms: 5500 });
});

it('speaks of long times as people do', () => {
  expect(long(41_000)).toBe('41 s');
  expect(long(3_600_000 * 3 + 60_000 * 20)).toBe('3 h 20 min');
  expect(long(86_400_000 * 30)).toBe('30 d');
  expect(long(86_400_000 * 3 + 3_600_000)).toBe('3 d 1 h');
});
