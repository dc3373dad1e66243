import { expect, it } from 'vitest';
import { axisOf, LIVE, rangeOf, RANGES } from './ranges.ts';

it('knows the ranges of the address, and takes any other word for the live one', () => {
  expect(rangeOf('30d').long_s).toBe(30 * 86_400);
  expect(rangeOf('1y')).toBe(LIVE);
  expect(rangeOf(undefined)).toBe(LIVE);
});

it('grows with a host that is new, and shows all of the time of any other', () => {
  expect(axisOf(LIVE, 10_000, 0)).toEqual([9400, 10_000]);
  expect(axisOf(LIVE, 10_000, 9990)).toEqual([9880, 10_000]);
  expect(axisOf(LIVE, 10_000, 9700)).toEqual([9700, 10_000]);
  expect(axisOf(LIVE, 10_000, NaN)).toEqual([9400, 10_000]);
  expect(axisOf(RANGES[1], 10_000, 9990)).toEqual([6400, 10_000]);
});
