import { expect, it } from 'vitest';
import { aHost, aModel, aService, aSnapshot } from '../../feed/examples.ts';
import { start } from '../../feed/fold.ts';
import { facetValues, labelNames, listed } from './facets.ts';
import { readFilters } from './filters.ts';
import { select } from './select.ts';

const fleet = start(
  aSnapshot({
    hosts: [
      aHost('gpu-1', { status: 'stale', labels: { zone: 'a', rack: 'r2' } }),
      aHost('gpu-2', { role: 'canary', labels: { zone: 'b' }, warm: ['qwen3:32b'] }),
      aHost('gpu-3', { labels: { zone: 'a', rack: 'r10' }, drain: true }),
    ],
    services: [aService('1', { host_id: 'gpu-1', version: '0.9.6' })],
    fleet_models: [aModel('llama3.1:8b', { services: ['1'] })],
  }),
);
const found = (query: Record<string, string>) =>
  select(fleet, readFilters(query)).map((host) => host.id);

it.each([
  [{}, ['gpu-1', 'gpu-2', 'gpu-3']],
  [{ status: 'stale' }, ['gpu-1']],
  [{ status: 'stale,online' }, ['gpu-1', 'gpu-2', 'gpu-3']],
  [{ role: 'canary' }, ['gpu-2']],
  [{ label: 'zone=a' }, ['gpu-1', 'gpu-3']],
  [{ label: 'zone=a,zone=b' }, ['gpu-1', 'gpu-2', 'gpu-3']],
  [{ label: 'zone=a,rack=r10' }, ['gpu-3']],
  [{ label: 'toString=' }, []],
  [{ model: 'llama3.1:8b' }, ['gpu-1']],
  [{ model: 'llama3.1:8b,qwen3:32b' }, ['gpu-1', 'gpu-2']],
  [{ model: 'llama3.1:8b', q: 'gpu-2' }, []],
  [{ q: 'draining' }, ['gpu-3']],
  [{ q: '0.9.6 zone=a' }, ['gpu-1']],
])('selects by %j', (query, ids) => {
  expect(found(query as Record<string, string>)).toEqual(ids);
});

it('finds what a service says after it has changed', () => {
  const service = fleet.services.get('1')!;
  expect(found({ q: 'busy' })).toEqual([]);
  fleet.services.set('1', { ...service, state: 'busy' });
  expect(found({ q: 'busy' })).toEqual(['gpu-1']);
  fleet.services.set('1', service);
});

it('offers what the fleet has', () => {
  const all = facetValues(fleet);
  expect(all.status).toEqual([
    { value: 'online', n_hosts: 2 },
    { value: 'stale', n_hosts: 1 },
  ]);
  expect(all.label.map(({ value }) => value)).toEqual(['rack=r2', 'rack=r10', 'zone=a', 'zone=b']);
  expect(all.model.map(({ value }) => value)).toEqual(['llama3.1:8b', 'qwen3:32b']);
  expect(labelNames(fleet)).toEqual([
    { value: 'zone', n_hosts: 3 },
    { value: 'rack', n_hosts: 2 },
  ]);
});

it('shows a bounded part of it, what is picked first', () => {
  const all = facetValues(fleet);
  const filters = readFilters({ label: 'zone=b' });
  const labels = listed(all, filters, '', 2).find(({ facet }) => facet === 'label');
  expect(labels).toMatchObject({ n_more: 2 });
  expect(labels!.values.map(({ value }) => value)).toEqual(['zone=b', 'rack=r2']);
  const typed = listed(all, filters, 'R10', 2);
  expect(typed).toEqual([
    { facet: 'label', values: [{ value: 'rack=r10', n_hosts: 1 }], n_more: 0 },
  ]);
});
