import { expect, it } from 'vitest';
import { LARGE_MS, Pace, SMALL_FLEET } from './pace.ts';

it('asks for a small fleet at each change, and never without one', () => {
  const pace = new Pace(0);
  expect(pace.isDue(false, SMALL_FLEET, 100_000)).toBe(false);
  expect(pace.isDue(true, SMALL_FLEET, 100_100)).toBe(true);
  expect(pace.isDue(true, SMALL_FLEET, 100_200)).toBe(true);
  expect(pace.isDue(false, SMALL_FLEET, 100_300)).toBe(false);
});

it('asks for a large one now and then, and forgets no change meanwhile', () => {
  const pace = new Pace(0);
  let n_asked = 0;
  for (let now_ms = 1000; now_ms <= 10 * LARGE_MS; now_ms += 1000) {
    n_asked += Number(pace.isDue(true, SMALL_FLEET + 1, now_ms));
  }
  expect(n_asked).toBe(10);
  expect(pace.isDue(true, 10_000, 10 * LARGE_MS + 1000)).toBe(false);
  expect(pace.isDue(false, 10_000, 10 * LARGE_MS + 2000)).toBe(false);
  expect(pace.isDue(false, 10_000, 11 * LARGE_MS)).toBe(true);
  expect(pace.isDue(false, 10_000, 99 * LARGE_MS)).toBe(false);
});
