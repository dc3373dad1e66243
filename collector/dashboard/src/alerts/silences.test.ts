import { expect, it } from 'vitest';
import { ApiError } from '../feed/api.ts';
import { anAlert } from '../feed/examples.ts';
import {
  EMPTY,
  faultOf,
  fieldsOf,
  formOf,
  inWords,
  leftOf,
  matcherOf,
  matches,
  momentOf,
  placeOf,
} from './silences.ts';

const alert = anAlert('x', {
  rule: 'gpu_hot',
  severity: 'warning',
  subject: { kind: 'host', id: '0199', name: 'gpu-1' },
});
const nameOf = (id: string) => (id === '0199' ? 'gpu-1' : null);

it('begins with what an alert suggests, and each suggestion matches it', () => {
  expect(matcherOf(fieldsOf(alert, 'both'))).toEqual({
    rule: 'gpu_hot',
    subject: { kind: 'host', id: '0199' },
  });
  expect(matcherOf(fieldsOf(alert, 'subject'))).toEqual({ subject: { kind: 'host', id: '0199' } });
  expect(matcherOf(fieldsOf(alert, 'rule'))).toEqual({ rule: 'gpu_hot' });
  for (const scope of ['both', 'subject', 'rule', 'custom'] as const) {
    expect(matches(matcherOf(fieldsOf(alert, scope)), alert)).toBe(true);
  }
});

it('says nothing of what is empty', () => {
  expect(matcherOf(EMPTY)).toEqual({});
  expect(
    formOf({ ...EMPTY, name: ' gpu-1 ', label: ' ' }, '2026-11-22T06:00:00Z', ' why '),
  ).toEqual({
    matcher: { subject: { name: 'gpu-1' } },
    until: '2026-11-22T06:00:00Z',
    comment: 'why',
  });
});

it('ends after a while, or at a moment of the reader’s day', () => {
  const now_ms = Date.parse('2026-11-21T10:00:00.250Z');
  expect(momentOf({ seconds: 3600, moment: '' }, now_ms)).toBe('2026-11-21T11:00:00Z');
  const local = momentOf({ seconds: null, moment: '2026-11-22T06:30' }, now_ms);
  expect(local).toBe(new Date(2026, 10, 22, 6, 30).toISOString().replace('.000Z', 'Z'));
  expect(momentOf({ seconds: null, moment: '' }, now_ms)).toBeNull();
});

it.each([
  [
    { rule: 'gpu_hot' as const, subject: { kind: 'host' as const, id: '0199' } },
    'GPU hot, of host gpu-1',
  ],
  [{ severity: 'info' as const, label: 'rack=7' }, 'All alerts, of severity info, labelled rack=7'],
  [{ subject: { kind: 'service' as const } }, 'All alerts, of any service'],
  [{ subject: { name: 'router' } }, 'All alerts, of whatever is called router'],
  [{ subject: { id: 'gone' } }, 'All alerts, of whatever is called gone'],
])('says a matcher in words: %j', (matcher, words) => {
  expect(inWords(matcher, nameOf)).toBe(words);
});

it('tells whether it matches, but for labels, which only the collector knows', () => {
  expect(matches({ rule: 'gpu_lost' }, alert)).toBe(false);
  expect(matches({ severity: 'warning', subject: { name: 'gpu-1' } }, alert)).toBe(true);
  expect(matches({ subject: { kind: 'service' } }, alert)).toBe(false);
  expect(matches({ label: 'rack=7' }, alert)).toBeNull();
  expect(matches({ label: 'rack=7', rule: 'gpu_lost' }, alert)).toBe(false);
});

it('says what is lacking before the collector is asked', () => {
  const now_ms = Date.parse('2026-11-21T10:00:00Z');
  const fields = { ...EMPTY, severity: 'info' as const };
  expect(faultOf({ ...EMPTY, name: ' ' }, null, now_ms)?.at).toBe('matcher');
  expect(faultOf(fields, null, now_ms)?.text).toBe('Say until when.');
  expect(faultOf(fields, '2026-11-21T10:00:00Z', now_ms)?.text).toContain('a time to come');
  expect(faultOf(fields, '2026-11-21T10:00:01Z', now_ms)).toBeNull();
});

it.each([
  ['matcher', 'matcher'],
  ['matcher.rule', 'rule'],
  ['matcher.subject.kind', 'kind'],
  ['matcher.subject.name', 'name'],
  ['matcher.label', 'label'],
  ['until', 'until'],
  ['comment', 'comment'],
  ['colour', 'form'],
  [null, 'form'],
])('says a refusal of %s at %s', (field, place) => {
  expect(placeOf(new ApiError(422, 'no', field))).toBe(place);
});

it.each([
  [4 * 3600 - 1, '4 h'],
  [86_400 - 60, '1 d'],
  [7 * 86_400 - 60, '7 d'],
  [100, '2 min'],
  [50, '50 s'],
  [-3, '0 s'],
])('says that %d s are left as %s', (seconds, text) => {
  const now_ms = Date.parse('2026-11-21T10:00:00Z');
  expect(leftOf(new Date(now_ms + seconds * 1000).toISOString(), now_ms)).toBe(text);
});
