import { expect, it } from 'vitest';
import type { AuditEntry, JoinToken } from '../feed/access.ts';
import { groupsOf, shortOf } from './fingerprint.ts';
import { actOf, speaksOf, untilOf, usesOf, wordsIn } from './words.ts';

const DIGEST = 'ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs';

it('sets a fingerprint in groups that lose nothing, with and without what it begins with', () => {
  const groups = groupsOf(`sha256:${DIGEST}`);
  expect(groups).toHaveLength(11);
  expect(groups.join('')).toBe(DIGEST);
  expect(groupsOf(DIGEST)).toEqual(groups);
  expect(groupsOf('')).toEqual([]);
  expect(shortOf(`sha256:${DIGEST}`)).toBe('ypeBEsob…');
});

const NOW = Date.parse('2026-11-27T12:00:00Z');
it.each([
  [null, 'never'],
  ['2026-11-27T15:30:00Z', 'in 3 h'],
  ['2026-11-25T12:00:00Z', '2 d ago'],
  ['nonsense', '–'],
])('says of %s when it ends: %s', (at, words) => {
  expect(untilOf(at, NOW)).toBe(words);
});

it.each([
  [1, 1, 'one host'],
  [1, 0, '1 of 1 host'],
  [20, 13, '7 of 20 hosts'],
])('says of %i uses with %i left: %s', (uses, uses_left, words) => {
  expect(usesOf({ uses, uses_left } as JoinToken)).toBe(words);
});

const entry = (over: Partial<AuditEntry> = {}): AuditEntry => ({
  seq: 7,
  at: '2026-11-27T12:00:00Z',
  actor: 'person Anna',
  action: 'makeToken',
  subject: 'router-1',
  from_address: '10.0.0.7',
  detail: 'role client',
  hash: 'ab',
  ...over,
});

it('says what was done as people do', () => {
  expect(actOf(entry())).toBe('make token');
  expect(actOf(entry({ action: 'signIn' }))).toBe('sign in');
  expect(actOf(entry({ action: 'deregister' }))).toBe('deregister');
});

it('finds an entry by all words that are asked for, in any field', () => {
  expect(speaksOf(entry(), wordsIn('anna ROUTER client'))).toBe(true);
  expect(speaksOf(entry(), wordsIn('make token'))).toBe(true);
  expect(speaksOf(entry(), wordsIn('maketoken'))).toBe(true);
  expect(speaksOf(entry(), wordsIn('anna gpu-1'))).toBe(false);
  expect(speaksOf(entry({ subject: null, from_address: null }), [])).toBe(true);
});
