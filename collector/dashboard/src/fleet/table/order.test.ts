import { expect, it } from 'vitest';
import type { ServiceSummary } from '../../feed/contract.ts';
import { aHost as host, aModel, aService, aSnapshot } from '../../feed/examples.ts';
import { start } from '../../feed/fold.ts';
import { Live } from '../../feed/live.ts';
import { readFilters } from '../filter/filters.ts';
import { FIRST_DIRECTION, Order, type Sort, type SortKey } from './order.ts';

const service = (host_id: string, over: Partial<ServiceSummary> = {}) =>
  aService(`${host_id}:11434`, { host_id, n_models: 3, ...over });

const hosts = [
  host('gpu-10', { cpu_percent: 50, labels: { zone: 'a' } }),
  host('gpu-2', { cpu_percent: 90, warm: ['llama3.1:8b'], role: 'canary' }),
  host('gpu-1', { status: 'offline', cpu_percent: 99, last_seen: '2026-11-21T09:00:00Z' }),
  host('GPU-3', { status: 'degraded', finding: { code: 'gpu_lost', severity: 'critical' } }),
];
const fleet = start(
  aSnapshot({
    hosts,
    services: [service('gpu-2'), service('gpu-10', { n_models: 1, version: '0.9.6' })],
    fleet_models: [aModel('qwen3:32b', { services: ['gpu-10:11434'] })],
  }),
);
const live = new Live();
live.reset(fleet);

const filtersBy = (key: SortKey, direction?: Sort['direction'], q = '') => ({
  ...readFilters({ q }),
  sort: { key, direction: direction ?? FIRST_DIRECTION[key] },
});
const by = (...[key, direction, q]: Parameters<typeof filtersBy>) =>
  new Order().of(fleet, live, filtersBy(key, direction, q));

it('sorts names as people count', () => {
  expect(by('name')).toEqual(['gpu-1', 'gpu-2', 'GPU-3', 'gpu-10']);
  expect(by('name', 'descending')).toEqual(['gpu-10', 'GPU-3', 'gpu-2', 'gpu-1']);
});

it('puts trouble first', () => {
  expect(by('status')).toEqual(['gpu-1', 'GPU-3', 'gpu-2', 'gpu-10']);
  expect(by('finding')[0]).toBe('GPU-3');
});

it('puts what is not known last, both ways round', () => {
  expect(by('cpu')).toEqual(['gpu-2', 'gpu-10', 'gpu-1', 'GPU-3']);
  expect(by('cpu', 'ascending')).toEqual(['gpu-10', 'gpu-2', 'gpu-1', 'GPU-3']);
  expect(by('services', 'ascending').slice(0, 2)).toEqual(['gpu-10', 'gpu-2']);
});

it('sorts models by warm ones, then by installed ones', () => {
  expect(by('models').slice(0, 2)).toEqual(['gpu-2', 'gpu-10']);
});

it('sorts hosts that are heard before those last seen', () => {
  expect(by('seen').at(-1)).toBe('gpu-1');
});

it.each([
  ['gpu-1', ['gpu-1', 'gpu-10']],
  ['CANARY', ['gpu-2']],
  ['zone=a', ['gpu-10']],
  ['llama3.1', ['gpu-2']],
  ['qwen3', ['gpu-10']],
  ['offline', ['gpu-1']],
  ['GPU lost', ['GPU-3']],
  ['online 0.9.6', ['gpu-10']],
  ['online qwen3 canary', []],
  ['   ', ['gpu-1', 'gpu-2', 'GPU-3', 'gpu-10']],
])('filters by %s', (filter, found) => {
  expect(by('name', 'ascending', filter)).toEqual(found);
});

it('returns the same list while nothing moves, and follows what comes, goes and is renamed', () => {
  const order = new Order();
  const own = start(aSnapshot({ hosts }));
  const names = () => order.of(own, live, filtersBy('name'));
  const before = names();
  expect(names()).toBe(before);
  order.of(own, live, filtersBy('name', 'ascending', 'canary'));
  own.hosts.set('gpu-5', host('gpu-5'));
  own.hosts.delete('gpu-1');
  own.hosts.set('GPU-3', host('GPU-3', { name: 'a-3' }));
  expect(names()).toEqual(['GPU-3', 'gpu-2', 'gpu-5', 'gpu-10']);
});
