import { expect, it } from 'vitest';
import { machineCharts } from './charts.ts';
import { clock, faded, plotted } from './plot.ts';
import type { Series } from './series.ts';

const series = (step_s: number): Series => ({
  at: [0, step_s],
  columns: new Map([
    ['cpu_percent', [1, 2]],
    ['cpu_percent_max', [5, 9]],
  ]),
  missing: {},
  step_s,
  from_s: 0,
  to_s: step_s,
});

it('draws the peaks of rows that are sums of samples', () => {
  const [cpu, memory] = machineCharts(null);
  expect(plotted(cpu!, series(60)).data).toEqual([
    [0, 60],
    [1, 2],
    [5, 9],
  ]);
  expect(plotted(cpu!, series(1)).data.length).toBe(2);
  expect(plotted(memory!, series(60)).data).toEqual([
    [0, 60],
    [null, null],
    [null, null],
  ]);
});

it('thins a resolved colour', () => {
  expect(faded('rgb(1, 2, 3)', 0.5)).toBe('rgba(1, 2, 3, 0.5)');
  expect(faded('rgba(1, 2, 3, 0.9)', 0.5)).toBe('rgba(1, 2, 3, 0.5)');
});

it('names a day where it begins', () => {
  const midnight = new Date(2026, 10, 21).getTime() / 1000;
  expect(clock(midnight)).toBe('21 Nov');
  expect(clock(midnight + 3 * 3600 + 60)).toBe('03:01');
  expect(clock(midnight + 3 * 3600 + 90, true)).toBe('03:01:30');
});
