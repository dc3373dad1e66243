import { expect, it } from 'vitest';
import type { FullGpu, Gpu } from '../../feed/contract.ts';
import {
  factsOf,
  homeOf,
  isWorrying,
  merged,
  migOf,
  pcie,
  processesOf,
  throttled,
} from './gpus.ts';

const aGpu = (over: Partial<FullGpu> = {}): FullGpu => ({
  id: 'GPU-1',
  index: 0,
  vendor: 'nvidia',
  name: 'NVIDIA H200',
  driver: '580.1',
  memory_kind: 'dedicated',
  memory_total_bytes: 100,
  memory_used_bytes: 40,
  utilization_percent: 10,
  temperature_celsius: 50,
  power_watts: 100,
  power_limit_watts: 700,
  sm_clock_mhz: 1980,
  fan_percent: null,
  throttle_reasons: [],
  processes: [],
  missing: { fan_percent: 'not_supported' },
  cuda_version: null,
  compute_capability: null,
  pci_address: null,
  pcie_generation_max: 5,
  pcie_width_max: 16,
  ecc_enabled: true,
  mig_enabled: false,
  mig: [],
  detail: null,
  ...over,
});

const text = (gpu: FullGpu, name: string) => factsOf(gpu).find((fact) => fact.name === name);

it('takes what moves from the sample, and keeps what it does not tell', () => {
  const live = { ...aGpu({ utilization_percent: 90 }) } as Gpu;
  const [gpu] = merged([aGpu({ pci_address: 'x' })], [live]) ?? [];
  expect(gpu?.utilization_percent).toBe(90);
  expect(merged([aGpu()], [])?.[0]?.utilization_percent).toBe(10);
  expect(merged(undefined, [live])).toBeUndefined();
  expect(merged(null, [live])).toBeNull();
});

it('says why a value is missing', () => {
  expect(text(aGpu(), 'Fan')).toEqual({ name: 'Fan', text: '–', reason: 'not_supported' });
  expect(text(aGpu(), 'Power')).toEqual({ name: 'Power', text: '100 / 700 W', reason: undefined });
});

it('tells a link that runs below what it could be', () => {
  const detail = (generation: number | null) =>
    ({ pcie_generation: generation, pcie_width: 8, missing: {} }) as FullGpu['detail'];
  expect(pcie(aGpu({ detail: detail(3) }))).toBe('gen 3 ×8 of gen 5 ×16');
  expect(pcie(aGpu({ detail: detail(5), pcie_width_max: 8 }))).toBe('gen 5 ×8');
  expect(pcie(aGpu({ detail: detail(null) }))).toBe('up to gen 5 ×16');
});

it('knows reasons that are no trouble, and has words for those that it does not know', () => {
  expect(throttled('thermal')).toBe('Too hot');
  expect(throttled('of_tomorrow')).toBe('Of tomorrow');
  expect(isWorrying('power_cap')).toBe(false);
  expect(isWorrying('thermal')).toBe(true);
});

it('lists processes by what they take, and says where they belong', () => {
  const process = { name: 'a', mig_id: null, missing: {} };
  const small = { ...process, pid: 1, memory_bytes: 5, unit: 'ollama.service', container: null };
  const large = { ...process, pid: 2, memory_bytes: 9, unit: null, container: 'f'.repeat(64) };
  const listed = processesOf(aGpu({ processes: [small, large] }));
  expect(listed.map(({ pid }) => pid)).toEqual([2, 1]);
  expect(listed.map(homeOf)).toEqual(['container ffffffffffff', 'ollama.service']);
});

it('tells the parts of a GPU and what they hold', () => {
  const mig = { id: 'm', index: 0, gpu_instance: 1, compute_instance: 0, missing: {} };
  const gpu = aGpu({ mig: [{ ...mig, profile: '1g.10gb', memory_total_bytes: 10 * 2 ** 30 }] });
  expect(migOf(gpu)).toEqual([{ id: 'm', text: '1g.10gb · 10 GiB' }]);
});
