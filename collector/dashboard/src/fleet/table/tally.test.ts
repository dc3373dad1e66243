import { expect, it } from 'vitest';
import { aHost, aService, aSnapshot, NO_COUNTS } from '../../feed/examples.ts';
import { start } from '../../feed/fold.ts';
import { Live } from '../../feed/live.ts';
import { shortGpuNames } from './gpus.ts';
import { tally } from './tally.ts';

const snapshot = aSnapshot({
  hosts: [
    aHost('a', { gpus: [[1, 2]], warm: ['x', 'y'] }),
    aHost('b', { status: 'stale', gpus: null }),
  ],
  services: [
    aService('a:1', { host_id: 'a', warm: ['x', 'y'] }),
    aService('a:2', { host_id: 'a', warm: ['x'] }),
    aService('lone:1', { warm: ['z'] }),
  ],
  counts: { ...NO_COUNTS, vram_used_bytes: 5, vram_total_bytes: 10 },
});

it('counts the fleet, a warm model once a host and name', () => {
  const fleet = start(snapshot);
  const live = new Live();
  expect(tally(fleet, live)).toMatchObject({
    n_hosts: 2,
    n_hosts_by_status: { online: 1, stale: 1, offline: 0 },
    n_gpus: 1,
    n_warm: 2,
    n_warm_names: 2,
    vram_used_bytes: 5,
    vram_total_bytes: 10,
  });
});

it('prefers samples when they cover every GPU', () => {
  const fleet = start(snapshot);
  const live = new Live();
  const resources = { vram_used_bytes: 7, vram_total_bytes: 20 };
  live.sample(fleet, { host_id: 'a', resources } as never);
  expect(tally(fleet, live)).toMatchObject({ vram_used_bytes: 7, vram_total_bytes: 20 });
});

it('calls GPUs by their short names', () => {
  const named = (...names: string[]) => shortGpuNames(names.map((name) => ({ name })));
  expect(named('NVIDIA H200', 'NVIDIA H200')).toBe('2× H200');
  expect(named('NVIDIA GeForce RTX 4090', 'NVIDIA L40S')).toBe('RTX 4090 + L40S');
  expect(named('NVIDIA H100 80GB HBM3')).toBe('H100');
  expect(named('NVIDIA A100-SXM4-80GB')).toBe('A100-SXM4-80GB');
});
