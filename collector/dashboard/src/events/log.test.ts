import { expect, it } from 'vitest';
import { aChange } from '../feed/examples.ts';
import { EventLog, keyOf } from './log.ts';

const change = (seq: number, epoch = 'e') => aChange(seq, 'host.changed', { epoch });
const keys = (log: EventLog) => log.changes.map(keyOf);

it('puts together what came live and what was asked for, each once and in order', () => {
  const log = new EventLog();
  expect(log.take([change(4), change(5)])).toBe(2);
  expect(log.take([change(2), change(3), change(4)])).toBe(2);
  expect(log.take([change(5), change(6)])).toBe(1);
  expect(log.take([change(6)])).toBe(0);
  expect(keys(log)).toEqual(['e:2', 'e:3', 'e:4', 'e:5', 'e:6']);
});

it('keeps runs of the collector apart, in the order in which they were seen', () => {
  const log = new EventLog();
  log.take([change(900, 'old')]);
  log.take([change(1, 'new'), change(2, 'new')]);
  log.take([change(901, 'old')]);
  expect(keys(log)).toEqual(['old:900', 'old:901', 'new:1', 'new:2']);
  expect(log.isAfter(change(1, 'new'), { epoch: 'old', seq: 901 })).toBe(true);
  expect(log.isAfter(change(901, 'old'), { epoch: 'new', seq: 1 })).toBe(false);
  expect(log.isAfter(change(2, 'new'), { epoch: 'new', seq: 2 })).toBe(false);
});

it('lets the oldest go', () => {
  const log = new EventLog();
  log.take([change(1), change(2), change(3)], 2);
  expect(keys(log)).toEqual(['e:2', 'e:3']);
  log.take([change(4)], 10);
  expect(keys(log)).toEqual(['e:2', 'e:3', 'e:4']);
  log.take([], 1);
  expect(keys(log)).toEqual(['e:4']);
});
