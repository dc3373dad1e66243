import { expect, it } from 'vitest';
import type { Change } from '../feed/contract.ts';
import { aChange, anAlert } from '../feed/examples.ts';
import { rowsOf, type Row } from './groups.ts';

const NOON_MS = Date.parse('2026-11-21T12:00:00Z');
const at = (second: number) => new Date(NOON_MS + second * 1000).toISOString();
const change = (seq: number, type: string, second: number, over: Partial<Change> = {}) =>
  aChange(seq, type, { at: at(second), ...over });

const told = (rows: Row[]) =>
  rows.map((row) => {
    if (row.kind === 'one') return `${row.change.seq} ${row.change.type}`;
    return row.kind === 'run' ? `run ${row.epoch}` : `${row.changes.length} × ${row.type}`;
  });

it('tells the newest first, and few alike one by one', () => {
  const rows = rowsOf([1, 2, 3].map((seq) => change(seq, 'service.down', seq)));
  expect(told(rows)).toEqual(['3 service.down', '2 service.down', '1 service.down']);
});

it('tells many alike as one row, whatever comes between them', () => {
  const changes = Array.from({ length: 12 }, (_, i) =>
    change(i + 1, i % 3 === 0 ? 'host.offline' : 'service.changed', i / 10, { cause: 'mass' }),
  );
  const rows = rowsOf([change(0, 'session.closed', 0), ...changes]);
  expect(told(rows)).toEqual(['8 × service.changed', '4 × host.offline', '0 session.closed']);
  expect(rows[0]).toMatchObject({ key: 'many e:2', cause: 'together with many others' });
});

it('keeps the key of a group while more join it', () => {
  const four = [1, 2, 3, 4].map((seq) => change(seq, 'model.loaded', seq));
  const before = rowsOf(four)[0]!.key;
  expect(rowsOf([...four, change(5, 'model.loaded', 5)])[0]!.key).toBe(before);
});

it('begins another group after a pause, and after a while', () => {
  const seconds = [0, 1, 2, 3, 10, 11, 12, 13];
  const apart = rowsOf(seconds.map((second, i) => change(i, 'gpu.lost', second)));
  expect(told(apart)).toEqual(['4 × gpu.lost', '4 × gpu.lost']);
  const storm = rowsOf(Array.from({ length: 20 }, (_, i) => change(i, 'host.changed', i)));
  expect(told(storm)).toEqual(['4 × host.changed', '16 × host.changed']);
});

it('draws a line where the collector was started anew, and groups nothing over it', () => {
  const old = [1, 2].map((seq) => change(seq, 'host.online', 0, { epoch: 'old' }));
  const now = [1, 2].map((seq) => change(seq, 'host.online', 1, { epoch: 'new' }));
  const rows = rowsOf([...old, ...now]);
  expect(told(rows)).toEqual([
    '2 host.online',
    '1 host.online',
    'run new',
    '2 host.online',
    '1 host.online',
  ]);
  expect(rows[2]).toMatchObject({ at: at(1) });
  expect(told(rowsOf(old, 'new'))[0]).toBe('run new');
  expect(told(rowsOf(now, 'new'))).toHaveLength(2);
  expect(rowsOf([], 'new')).toEqual([]);
});

it('says of alerts that are not alike what they are', () => {
  const raised = (seq: number, rule: string) =>
    change(seq, 'alert.raised', 0, { data: anAlert(`${seq}`, { rule, message: `${seq}` }) });
  const rows = rowsOf([
    raised(1, 'gpu_hot'),
    raised(2, 'host_offline'),
    raised(3, 'gpu_hot'),
    raised(4, 'gpu_hot'),
  ]);
  expect(rows[0]).toMatchObject({ cause: '3 × Alert: GPU hot, 1 × Alert: Host offline' });
});
