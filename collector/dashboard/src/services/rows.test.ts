import { expect, it } from 'vitest';
import { aChange, aHost, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { altersFilter, countsOf, kindsOf, listed, optionsWith, sortOf, turned } from './rows.ts';

const fleet = start(
  aSnapshot({
    hosts: [aHost('h1', { name: 'gpu-2' }), aHost('h2', { name: 'gpu-10' })],
    services: [
      aService('a', { name: 'one', host_id: 'h2', warm: ['llama3.1:8b'], n_models: 2 }),
      aService('b', { name: 'two', host_id: 'h1', status: 'down', kind: 'vllm' }),
      aService('c', { name: 'three', status: 'degraded', n_models: 9 }),
    ],
  }),
);

it('puts trouble first, and sorts by what the address says', () => {
  expect(listed(fleet, {}, null)).toEqual(['b', 'c', 'a']);
  expect(listed(fleet, { sort: 'host' }, null)).toEqual(['b', 'a', 'c']);
  expect(listed(fleet, { sort: '-name' }, null)).toEqual(['b', 'c', 'a']);
  expect(listed(fleet, { sort: '-models' }, null)).toEqual(['a', 'c', 'b']);
});

it('filters by words, host, status, kind and what the collector found', () => {
  expect(listed(fleet, { q: 'llama gpu-10' }, null)).toEqual(['a']);
  expect(listed(fleet, { host: 'GPU-2' }, null)).toEqual(['b']);
  expect(listed(fleet, { status: 'degraded' }, null)).toEqual(['c']);
  expect(listed(fleet, { kind: 'vllm' }, null)).toEqual(['b']);
  expect(listed(fleet, {}, new Set(['c', 'gone']))).toEqual(['c']);
});

it('turns the order round at the second click, and begins with the most models', () => {
  expect(turned(sortOf(undefined), 'name')).toBe('name');
  expect(turned(sortOf('name'), 'name')).toBe('-name');
  expect(turned(sortOf('-name'), 'name')).toBe('name');
  expect(turned(sortOf('name'), 'models')).toBe('-models');
  expect(sortOf('nonsense')).toEqual({ key: 'status', down: false });
});

it('counts by status and lists the kinds that are there', () => {
  expect(countsOf(fleet)).toMatchObject({ down: 1, degraded: 1, healthy: 1, unknown: 0 });
  expect(kindsOf(fleet)).toEqual(['ollama', 'vllm']);
});

it('asks the collector again only where type or role may be another one', () => {
  const asks = (type: string) => altersFilter(aChange(1, type));
  expect(['service.registered', 'service.promoted', 'service.changed'].every(asks)).toBe(true);
  expect(['service.state', 'service.down', 'service.healthy', 'model.loaded'].some(asks)).toBe(
    false,
  );
});

it('offers a filter of the address that is none of those known', () => {
  const options = [['vllm', 'vLLM']] as const;
  expect(optionsWith(options, 'xx')).toEqual([
    ['vllm', 'vLLM'],
    ['xx', 'xx'],
  ]);
  for (const chosen of ['vllm', '', undefined])
    expect(optionsWith(options, chosen)).toEqual([['vllm', 'vLLM']]);
});
