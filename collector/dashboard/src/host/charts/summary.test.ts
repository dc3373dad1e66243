import { expect, it } from 'vitest';
import { summarise } from './summary.ts';

it('sums a series up without its gaps', () => {
  expect(summarise([1, null, 3])).toEqual({ mean: 2, peak: 3, lowest: 1 });
  expect(summarise([null])).toEqual({ mean: null, peak: null, lowest: null });
});

it('knows a peak within a row', () => {
  expect(summarise([10, 20], [15, 95])).toEqual({ mean: 15, peak: 95, lowest: 10 });
  expect(summarise([10, 20], [null, null])).toEqual({ mean: 15, peak: 20, lowest: 10 });
});
