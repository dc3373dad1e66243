import { expect, it } from 'vitest';
import { aHost, aService, anAlert, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { pastChoiceOf, pastQueryOf } from './choice.ts';
import {
  choiceOf,
  grouped,
  isChosen,
  lastEnded,
  namesLike,
  pageOf,
  partOf,
  tally,
  type OpenAlert,
} from './open.ts';

const subject = (id: string, kind: 'host' | 'service' = 'host') => ({ kind, id, name: id });
const open = (
  id: string,
  over: Parameters<typeof anAlert>[1] = {},
  silenced_by: string | null = null,
): OpenAlert => ({ alert: anAlert(id, over), silenced_by });

const hot = open('1', { rule: 'gpu_hot', severity: 'warning', subject: subject('a') });
const lost = open('2', { rule: 'gpu_lost', severity: 'critical', subject: subject('a') });
const older = open('3', {
  rule: 'gpu_hot',
  severity: 'warning',
  subject: subject('b'),
  raised_at: '2026-11-21T09:00:00Z',
});
const quiet = open('4', { rule: 'host_offline', subject: subject('b') }, 's');

const shape = (alerts: OpenAlert[], by: 'rule' | 'subject') =>
  grouped(alerts, by).map(({ key, alerts }) => [key, alerts.map(({ alert }) => alert.id).join()]);

it('puts alerts together by rule or subject, the worst first and the silenced last', () => {
  const all = [older, quiet, hot, lost];
  expect(shape(all, 'rule')).toEqual([
    ['gpu_lost', '2'],
    ['gpu_hot', '1,3'],
    ['host_offline', '4'],
  ]);
  expect(shape(all, 'subject')).toEqual([
    ['host a', '2,1'],
    ['host b', '3,4'],
  ]);
});

it('keeps a host and a service of one id apart', () => {
  const service = open('5', { subject: subject('a', 'service') });
  expect(grouped([hot, service], 'subject')).toHaveLength(2);
});

it('chooses by rule, severity and a part of the name', () => {
  const found = (query: Record<string, string>) =>
    [hot, lost, older, quiet]
      .filter(({ alert }) => isChosen(choiceOf(query), alert))
      .map(({ alert }) => alert.id);
  expect(found({})).toEqual(['1', '2', '3', '4']);
  expect(found({ rule: 'gpu_hot' })).toEqual(['1', '3']);
  expect(found({ severity: 'critical', subject: 'A' })).toEqual(['2']);
  expect(found({ rule: 'no_such', severity: 'loud' })).toHaveLength(4);
});

it('asks for the past by the same choice', () => {
  const now_ms = Date.parse('2026-11-21T12:00:59Z');
  const asked = (query: Record<string, string>) =>
    pastQueryOf(choiceOf(query), pastChoiceOf(query), now_ms);
  expect(asked({})).toEqual({ open: 'false' });
  expect(asked({ state: 'all', since: '1h' })).toEqual({ since: '2026-11-21T11:00:00.000Z' });
  expect(asked({ state: 'open', rule: 'gpu_hot', severity: 'info', subject: 'a' })).toEqual({
    open: 'true',
    rule: 'gpu_hot',
    severity: 'info',
    subject: 'a',
  });
  expect(asked({ state: 'nonsense', since: 'ever' })).toEqual({ open: 'false' });
});

it('says how many of what are open', () => {
  expect(tally([hot, older, lost].map(({ alert }) => alert))).toBe('1 critical, 2 warnings');
  expect(tally([])).toBe('');
});

it('names a GPU by its number where the message has it', () => {
  const message = 'a: GPU 1 (NVIDIA H200, GPU-5f) is at 91 °C';
  expect(partOf(anAlert('x', { rule: 'gpu_hot', part: 'GPU-5f', message }))).toBe('GPU 1');
  expect(partOf(anAlert('x', { rule: 'gpu_lost', part: 'GPU-5f' }))).toBe('GPU-5f');
  expect(partOf(anAlert('x', { rule: 'disk_nearly_full', part: '/srv' }))).toBe('/srv');
  expect(partOf(anAlert('x'))).toBeNull();
});

it('leads to the page of whom it is about, while there is one', () => {
  const fleet = start(aSnapshot({ hosts: [aHost('a')], services: [aService('s/1')] }));
  expect(pageOf(subject('a'), fleet)).toBe('#/hosts/a');
  expect(pageOf(subject('b'), fleet)).toBeNull();
  expect(pageOf(subject('s/1', 'service'), fleet)).toBe('#/services/s%2F1');
  expect(pageOf({ kind: 'collector', id: 'collector', name: 'x' }, null)).toBe('#/collector');
  expect(namesLike('A', fleet)).toEqual(['a']);
  expect(namesLike('', fleet)).toEqual([]);
});

it('finds the one that ended last', () => {
  const ended = (id: string, resolved_at: string | null) => anAlert(id, { resolved_at });
  const alerts = [
    ended('new', '2026-11-21T10:00:00Z'),
    ended('long', '2026-11-21T11:00:00Z'),
    ended('open', null),
  ];
  expect(lastEnded(alerts)?.id).toBe('long');
  expect(lastEnded([ended('open', null)])).toBeNull();
});
