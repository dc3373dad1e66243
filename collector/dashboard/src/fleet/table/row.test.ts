import { expect, it } from 'vitest';
import { aHost, aService, aSnapshot } from '../../feed/examples.ts';
import { setNames, start } from '../../feed/fold.ts';
import { Live } from '../../feed/live.ts';
import { rowOf } from './row.ts';

const snapshot = aSnapshot({
  hosts: [aHost('a', { cpu_percent: 10 })],
  services: [aService('a:1', { host_id: 'a', n_models: 4 })],
});

function begin() {
  const fleet = start(snapshot);
  const live = new Live();
  live.reset(fleet);
  return { fleet, live };
}

it('is the same object until something in it changes', () => {
  const { fleet, live } = begin();
  const first = rowOf(fleet, live, 'a', undefined)!;
  expect(first).toMatchObject({ heard: true, n_installed: 4, cpu_percent: 10, vram_percent: null });
  expect(rowOf(fleet, live, 'a', first)).toBe(first);
  live.write({ ...fleet.hosts.get('a')!, cpu_percent: 11 });
  expect(rowOf(fleet, live, 'a', first)).toMatchObject({ cpu_percent: 11 });
});

it('follows what becomes of its services and their models', () => {
  const { fleet, live } = begin();
  const first = rowOf(fleet, live, 'a', undefined)!;
  expect(first.cold).toEqual([]);
  setNames(fleet, 'a:1', ['qwen3:32b']);
  const second = rowOf(fleet, live, 'a', first)!;
  expect(second.cold).toEqual(['qwen3:32b']);
  expect(rowOf(fleet, live, 'a', second)).toBe(second);
  fleet.services.set('a:1', { ...fleet.services.get('a:1')!, n_models: 9 });
  expect(rowOf(fleet, live, 'a', second)).toMatchObject({ n_installed: 9 });
});

it('prefers the sample to the summary', () => {
  const { fleet, live } = begin();
  const resources = { cpu_percent: 42, memory_used_bytes: 1, memory_total_bytes: 4 };
  live.sample(fleet, { host_id: 'a', resources } as never);
  expect(rowOf(fleet, live, 'a', undefined)).toMatchObject({ cpu_percent: 42, memory_percent: 25 });
});

it('has no row for a host that is gone', () => {
  const { fleet, live } = begin();
  expect(rowOf(fleet, live, 'b', undefined)).toBeNull();
});
