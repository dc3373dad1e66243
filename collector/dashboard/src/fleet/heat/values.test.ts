import { expect, it } from 'vitest';
import { aHost, aSample, aSnapshot } from '../../feed/examples.ts';
import { start } from '../../feed/fold.ts';
import { Live } from '../../feed/live.ts';
import type { FleetView } from '../../fleet.svelte.ts';
import { codesOf, leftOut, memoryOf, stepOf, summarise, tellHost, UNKNOWN } from './values.ts';

const pairs = (n: number): [number, number][] => Array.from({ length: n }, () => [96, 40]);
const fleet = start(
  aSnapshot({
    hosts: [
      aHost('mean', { gpus: pairs(2), vram_percent: 40 }),
      aHost('sampled', { gpus: pairs(2), vram_percent: 40 }),
      aHost('lost', { status: 'offline', gpus: [[null, null]] }),
    ],
  }),
);
const live = new Live();
live.reset(fleet);
const gpu = (over: object) => ({ index: 0, name: 'NVIDIA H200', memory_total_bytes: 100, ...over });
live.sample(
  fleet,
  aSample('sampled', {
    gpus: [
      gpu({ utilization_percent: 4, memory_used_bytes: 80 }),
      gpu({ index: 1, utilization_percent: null, memory_used_bytes: null }),
    ] as never,
  }),
);
const viewed = (fresh: boolean) => ({ fleet, live, fresh }) as FleetView;

function told(id: string, n: number, fresh = true) {
  const codes = new Uint8Array(n + 2);
  codesOf(viewed(fresh), id, n, codes, 1);
  return [...codes.slice(1, n + 1)].map((code) => [stepOf(code), memoryOf(code)]);
}

it('shows the mean of a host that is not sampled, and else each GPU by itself', () => {
  expect(told('mean', 2)).toEqual([
    [10, 4],
    [10, 4],
  ]);
  expect(told('sampled', 2)).toEqual([
    [0, 8],
    [UNKNOWN, UNKNOWN],
  ]);
});

it('knows nothing of hosts that are not heard, nor of old values', () => {
  expect(told('lost', 1)).toEqual([[UNKNOWN, UNKNOWN]]);
  expect(told('sampled', 1, false)).toEqual([[UNKNOWN, UNKNOWN]]);
});

it('says where a value is a mean', () => {
  expect(tellHost(viewed(true), 'mean', 1)?.lines).toEqual([
    '2 GPUs, mean: 96 % busy, 40 % of VRAM',
  ]);
  expect(tellHost(viewed(true), 'sampled', 1)?.lines).toEqual([
    'GPU 1 H200: – busy, VRAM – / 100 B',
  ]);
  expect(tellHost(viewed(true), 'lost', null)?.lines).toEqual(['Its GPUs are not known now']);
  expect(tellHost(viewed(true), 'gone', null)).toBeNull();
});

it('sums up by group', () => {
  const groups = [{ ids: ['mean', 'sampled', 'lost'] }];
  expect(summarise(viewed(true), groups, () => 'all')).toEqual([
    { title: 'all', n_hosts: 3, n_gpus: 5, n_idle: 1, n_busy: 2, n_unknown: 2 },
  ]);
});

it('tells who is not on the map, and why', () => {
  const some = (...gpus: (never[] | null)[]) => {
    const hosts = gpus.map((one, i) => aHost(`${i}`, { gpus: one }));
    const ids = hosts.map(({ id }) => id);
    return leftOut({ ...viewed(true), fleet: start(aSnapshot({ hosts })) } as FleetView, ids);
  };
  expect(leftOut(viewed(true), ['mean', 'sampled'])).toBe('');
  expect(some([])).toBe('1 host without a GPU is not on the map.');
  expect(some([], [])).toBe('2 hosts without a GPU are not on the map.');
  expect(some(null)).toBe('1 host that cannot tell its GPUs is not on the map.');
  expect(some([], null, null)).toBe(
    '1 host without a GPU and 2 hosts that cannot tell their GPUs are not on the map.',
  );
});
