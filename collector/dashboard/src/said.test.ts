import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { attempt, say, sayings, unsay } from './said.svelte.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.runAllTimers();
  vi.useRealTimers();
});

const texts = () => sayings.map(({ text }) => text);

it('says something for a while, and what failed for longer', () => {
  say('Drained gpu-1');
  say('It did not work', 'bad');
  expect(sayings.map(({ tone }) => tone)).toEqual(['good', 'bad']);
  vi.advanceTimersByTime(5_000);
  expect(texts()).toEqual(['It did not work']);
  vi.advanceTimersByTime(6_999);
  expect(texts()).toEqual(['It did not work']);
  vi.advanceTimersByTime(1);
  expect(texts()).toEqual([]);
});

it('takes back what was read, once', () => {
  say('one');
  say('two');
  const { id } = sayings[0]!;
  unsay(id);
  unsay(id);
  expect(texts()).toEqual(['two']);
});

it('keeps four at the most, the newest', () => {
  for (const n of [1, 2, 3, 4, 5, 6]) say(`number ${n}`);
  expect(texts()).toEqual(['number 3', 'number 4', 'number 5', 'number 6']);
});

it('says what came of an attempt, in the words of whoever refused it', async () => {
  expect(await attempt('Ended the silence', () => Promise.resolve())).toBe(true);
  expect(await attempt('Ended it', () => Promise.reject(new Error('there is none')))).toBe(false);
  expect(sayings.map(({ tone, text }) => [tone, text])).toEqual([
    ['good', 'Ended the silence'],
    ['bad', 'there is none'],
  ]);
});
