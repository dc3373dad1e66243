import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { aChange } from '../feed/examples.ts';
import { Announcer } from './announcer.svelte.ts';
import { Names } from './subject.ts';

const names = new Names(null, []);
const of = (...seqs: number[]) => seqs.map((seq) => aChange(seq, 'host.changed'));
const PAUSE_MS = 15_000;

let announcer: Announcer;
beforeEach(() => {
  vi.useFakeTimers();
  announcer = new Announcer();
});
afterEach(() => {
  announcer.end();
  vi.useRealTimers();
});

it('tells what came since it listens, in one sentence for all of a while', () => {
  announcer.heard(of(1, 2), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toBe('');
  announcer.heard(of(1, 2, 3), names);
  vi.advanceTimersByTime(0);
  expect(announcer.text).toMatch(/^Host changed/);
  announcer.heard(of(1, 2, 3, 4), names);
  announcer.heard(of(1, 2, 3, 4, 5), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toMatch(/^2 new events\. Last: Host changed/);
});

it('knows what it told last by its number, and where the list no longer has it, too', () => {
  announcer.heard(of(1, 2, 3), names);
  announcer.heard(of(1, 2, 3, 4), names);
  vi.advanceTimersByTime(0);
  announcer.heard(of(5, 6), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toMatch(/^2 new events/);
  announcer.heard(of(2, 3, 4, 5, 6, 7), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toMatch(/^Host changed/);
});

it('tells nothing of the past of a list that began anew', () => {
  announcer.heard(of(1, 9), names);
  announcer.heard(of(1, 9, 10), names);
  announcer.anew();
  announcer.heard([], names);
  announcer.heard(of(2, 3, 4, 5), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toBe('');
  announcer.heard(of(2, 3, 4, 5, 11), names);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(announcer.text).toMatch(/^Host changed/);
});
