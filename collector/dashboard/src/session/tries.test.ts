import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ApiError } from '../feed/api.ts';
import { Tries } from './tries.svelte.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const refusal = (status: number, wait_s: number | null = null) =>
  Promise.reject(new ApiError(status, `answered ${status}`, null, null, null, wait_s));

it('says what was wrong, in its own words where it has some, and forgets that with the next try', async () => {
  const tries = new Tries();
  expect(await tries.go(() => refusal(401), { 401: 'Name or password is wrong.' })).toBe(false);
  expect(tries.fault).toBe('Name or password is wrong.');
  expect(await tries.go(() => refusal(503))).toBe(false);
  expect(tries.fault).toBe('answered 503');
  expect(await tries.go(() => Promise.resolve())).toBe(true);
  expect(tries.fault).toBeNull();
});

it('does not try again before the collector lets it', async () => {
  const tries = new Tries();
  await tries.go(() => refusal(429, 3));
  expect(tries.wait_s).toBe(3);
  expect(tries.fault).toBe('Too many tries: wait 3 s.');
  const act = vi.fn(() => Promise.resolve());
  await tries.go(act);
  expect(act).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1000);
  expect(tries.wait_s).toBe(2);
  await vi.advanceTimersByTimeAsync(2000);
  expect(tries.wait_s).toBe(0);
  expect(tries.fault).toBe('You can try again now.');
  expect(await tries.go(act)).toBe(true);
});
