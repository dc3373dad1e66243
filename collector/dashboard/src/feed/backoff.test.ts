import { expect, it } from 'vitest';
import { CAP_MS, FIRST, FLOOR_MS, next } from './backoff.ts';

it('stays between floor and cap, whatever the dice say', () => {
  for (const random of [0, 0.25, 0.5, 0.999, 1, NaN, -3, 7]) {
    let backoff = FIRST;
    for (let i = 0; i < 50; i++) {
      const step = next(backoff, random);
      expect(step.wait_ms).toBeGreaterThanOrEqual(FLOOR_MS);
      expect(step.wait_ms).toBeLessThanOrEqual(Math.min(CAP_MS, backoff.last_ms * 3));
      backoff = step.backoff;
    }
  }
});

it('grows to the cap under bad luck and stays at the floor under good', () => {
  let unlucky = FIRST;
  let lucky = FIRST;
  for (let i = 0; i < 10; i++) {
    unlucky = next(unlucky, 1).backoff;
    lucky = next(lucky, 0).backoff;
  }
  expect(unlucky.last_ms).toBe(CAP_MS);
  expect(lucky.last_ms).toBe(FLOOR_MS);
});

it('spreads many pages evenly', () => {
  const waits = Array.from({ length: 1000 }, (_, i) => next(FIRST, i / 1000).wait_ms);
  const early = waits.filter((wait) => wait < FLOOR_MS * 2).length;
  expect(early).toBeGreaterThan(450);
  expect(early).toBeLessThan(550);
});
