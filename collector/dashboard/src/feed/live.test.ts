import { expect, it } from 'vitest';
import type { HostStatus, HostSummary } from './contract.ts';
import { aFleetFrame as frame, aHost, aSample as sample, aSnapshot } from './examples.ts';
import { fold, start } from './fold.ts';
import { Live } from './live.ts';

const host = (id: string, status: HostStatus = 'online', cpu: number | null = 10): HostSummary =>
  aHost(id, {
    status,
    cpu_percent: cpu,
    memory_percent: 20,
    gpus: [
      [40, 1],
      [null, 1],
      [60, 1],
    ],
  });
const begin = (...hosts: HostSummary[]) => {
  const fleet = start(aSnapshot({ seq: 5, hosts }));
  const live = new Live();
  live.reset(fleet);
  return { fleet, live };
};

it('starts with the summaries', () => {
  const { live } = begin(host('a'));
  expect(live.get('a', 'cpu')).toBe(10);
  expect(live.get('a', 'vram')).toBeNaN();
  expect(live.get('a', 'gpu')).toBe(50);
  expect(live.get('z', 'cpu')).toBeNaN();
});

it('reads the columns in ascending order of id', () => {
  const { fleet, live } = begin(host('b'), host('a'));
  expect(live.columns(fleet, frame(5, [1, 2]))).toBe(true);
  expect([live.get('a', 'cpu'), live.get('b', 'cpu')]).toEqual([1, 2]);
  live.columns(fleet, frame(5, [null, 3]));
  expect(live.get('a', 'cpu')).toBeNaN();
});

it('leaves columns of another set of hosts alone', () => {
  const { fleet, live } = begin(host('a'));
  expect(live.columns(fleet, frame(5, [1, 2]))).toBe(false);
  expect(live.columns(fleet, frame(4, [99]))).toBe(false);
  expect(live.get('a', 'cpu')).toBe(10);
});

it('forgets the numbers of a host that is no longer heard', () => {
  const { fleet, live } = begin(host('a'));
  live.sample(fleet, sample('a'));
  const data = host('a', 'stale');
  fold(fleet, {
    epoch: 'e',
    seq: 6,
    at: '',
    type: 'host.stale',
    host_id: 'a',
    service_id: null,
    data,
  });
  live.write(data);
  expect(live.get('a', 'cpu')).toBeNaN();
  expect(live.samples.size).toBe(0);
  expect(live.sample(fleet, sample('a'))).toBe(false);
  live.columns(fleet, frame(6, [70]));
  expect(live.get('a', 'cpu')).toBeNaN();
});

it('gives a slot to a later host and grows', () => {
  const { fleet, live } = begin(host('a'), host('b'));
  fleet.hosts.delete('a');
  live.remove('a');
  for (let i = 0; i < 200; i++) {
    const one = host(`c${i}`, 'online', i);
    fleet.hosts.set(one.id, one);
    live.write(one);
  }
  expect(live.get('c0', 'cpu')).toBe(0);
  expect(live.get('c199', 'cpu')).toBe(199);
  expect(live.get('b', 'cpu')).toBe(10);
});

it('keeps the samples of watched hosts only', () => {
  const { fleet, live } = begin(host('a'), host('b'));
  live.sample(fleet, sample('a'));
  live.sample(fleet, sample('b'));
  expect(live.sample(fleet, sample('unknown'))).toBe(false);
  live.keep(new Set(['b']), new Set());
  expect([...live.samples.keys()]).toEqual(['b']);
});
