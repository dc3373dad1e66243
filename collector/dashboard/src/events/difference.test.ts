import { expect, it } from 'vitest';
import { aChange, aHost, aService } from '../feed/examples.ts';
import { before, differenceOf, factsOf } from './difference.ts';

const host = (seq: number, over: Parameters<typeof aHost>[1]) =>
  aChange(seq, 'host.changed', { host_id: 'a', data: aHost('a', over) });

it('says what is another than with the change before it', () => {
  const was = host(1, { warm: ['llama3:8b'] });
  const is = host(3, { status: 'offline', finding: { code: 'gpu_lost', severity: 'critical' } });
  expect(factsOf(is, was)).toEqual([
    { title: 'Status', before: 'online', now: 'offline' },
    { title: 'Finding', before: '–', now: 'GPU lost' },
    { title: 'In memory', before: 'llama3:8b', now: '–' },
  ]);
});

it('says what there is where nothing is known from before, but no blanks and no moving figures', () => {
  const titles = factsOf(host(1, { cpu_percent: 93, labels: { rack: '7' } }), null);
  expect(titles).toContainEqual({ title: 'Labels', before: null, now: 'rack=7' });
  expect(titles.map(({ now }) => now)).not.toContain('–');
  expect(JSON.stringify(titles)).not.toContain('93');
});

it('finds the change before it of the same entity, also when a GPU of it told the last', () => {
  const gpu = aChange(2, 'gpu.lost', { host_id: 'a', data: aHost('a') });
  const other = aChange(3, 'host.changed', { host_id: 'b', data: aHost('b') });
  const service = aChange(4, 'service.changed', {
    host_id: 'a',
    service_id: 's',
    data: aService('s'),
  });
  const last = host(5, {});
  const all = [host(1, {}), gpu, other, service, last, host(6, {})];
  expect(before(all, last)).toBe(gpu);
  expect(before(all, service)).toBeNull();
});

it('says nothing of what is gone', () => {
  const gone = aChange(2, 'host.removed', { host_id: 'a' });
  expect(factsOf(gone, host(1, {}))).toEqual([]);
});

it('shortens long lists, and says a fault with its place', () => {
  const warm = Array.from({ length: 12 }, (_, i) => `m${i}`);
  const [fact] = factsOf(host(2, { warm }), host(1, {}));
  expect(fact!.now).toBe('m0, m1, m2, m3, m4, m5, m6, m7 and 4 more');
  const error = { file: '/srv/a.toml', line: 3, key: null, why: 'no such key' };
  const rejected = aChange(1, 'catalog.rejected', { data: { name: 'local', error } });
  expect(factsOf(rejected, null)).toContainEqual({
    title: 'Fault',
    before: null,
    now: '/srv/a.toml:3: no such key',
  });
});

it('says in a line how something changed, where that is known', () => {
  const was = host(1, {});
  const is = host(2, { role: 'build', gpus: null });
  expect(differenceOf(is, [was, is])).toBe('Role worker → build, GPUs 0 → –');
  expect(differenceOf(is, [is])).toBe('');
  const stale = aChange(3, 'host.stale', { host_id: 'a', data: aHost('a', { status: 'stale' }) });
  expect(differenceOf(stale, [was, is, stale])).toBe('');
});

it('holds what becomes of a key against nothing', () => {
  const pending = aChange(1, 'host.pending', { data: null });
  const approved = aChange(2, 'host.approved', { data: null });
  expect(before([pending, approved], approved)).toBeNull();
});
