import { expect, it } from 'vitest';
import { chartsOf, drawnGpus, gpuCharts, GPUS_MOST, TONES } from './charts.ts';
import { onAxis, steps, written } from './units.ts';

const gpu = (id: string, index: number) => ({
  id,
  index,
  name: 'NVIDIA H200',
  memory_total_bytes: index === 0 ? null : 100,
  power_limit_watts: null,
});

it('draws GPUs in the order of the host, and those that are gone last', () => {
  const drawn = drawnGpus(['gone-for-a-long-time', 'b', 'a'], [gpu('a', 0), gpu('b', 1)]);
  expect(drawn.map(({ title }) => title)).toEqual(['GPU 0', 'GPU 1', 'GPU (gone)']);
  const mixed = drawnGpus(['a', 'b'], [gpu('a', 0), { ...gpu('b', 1), name: 'NVIDIA L4' }]);
  expect(mixed.map(({ title }) => title)).toEqual(['0 H200', '1 L4']);
});

it('calls a GPU that is gone by its number where that was told, and never by its id', () => {
  const titles = (...of: Parameters<typeof drawnGpus>) =>
    drawnGpus(...of).map(({ title }) => title);
  const once = new Map([['b', gpu('b', 1)]]);
  expect(titles(['a', 'b'], [gpu('a', 0)], once)).toEqual(['GPU 0', 'GPU 1 (gone)']);
  expect(titles(['x', 'y', 'b'], [], once)).toEqual([
    'GPU (gone) no. 1',
    'GPU (gone) no. 2',
    'GPU 1 (gone)',
  ]);
  // Where the host does not tell which it has, none of them is said to be gone.
  expect(titles(['x'], null)).toEqual(['GPU']);
});

it('has as many lines as can be told apart', () => {
  const ids = Array.from({ length: 40 }, (_, i) => `g${i}`);
  const drawn = drawnGpus(ids, []);
  expect(drawn.length).toBe(GPUS_MOST);
  expect(new Set(drawn.map(({ tone, dashed }) => `${tone} ${dashed}`)).size).toBe(GPUS_MOST);
  expect(drawn[TONES]?.dashed).toBe(true);
});

it('gives one GPU the colours of its resources', () => {
  const [use, vram] = gpuCharts(drawnGpus(['a'], [gpu('a', 0)]), [gpu('a', 0)]);
  expect(use?.lines).toEqual([
    { column: 'gpus.a.utilization_percent', title: 'GPU utilisation', tone: 'gpu', gpu: 0 },
  ]);
  expect(vram?.lines[0]?.tone).toBe('vram');
  expect(vram?.top).toBeNull();
  expect(gpuCharts([], [])).toEqual([]);
});

it('shows the GPUs after CPU and memory', () => {
  const ids = chartsOf(null, drawnGpus(['a'], []), []).map(({ id }) => id);
  expect(ids.slice(0, 4)).toEqual(['cpu', 'memory', 'gpu', 'vram']);
  expect(new Set(ids).size).toBe(12);
});

it('ends a scale where its resource ends', () => {
  const both = [gpu('a', 0), gpu('b', 1)];
  expect(gpuCharts(drawnGpus(['a', 'b'], both), both)[1]?.top).toBe(100);
});

it('writes values with their unit, and what is not known as a dash', () => {
  expect(written('share', 0.43)).toBe('0.4 %');
  expect(written('megahertz', 1979.6)).toBe('1980 MHz');
  expect(written('watts', null)).toBe('–');
  expect(onAxis('bytes', 256 * 2 ** 30)).toBe('256 GiB');
  expect(onAxis('plain', 0.5)).toBe('0.5');
  expect(steps('bytes')).toContain(2 ** 30);
  expect(steps('watts')).toBeUndefined();
});
