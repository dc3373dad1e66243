import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Asked } from './asked.svelte.ts';
import { ApiError } from './feed/api.ts';

/** The browser's tab, in front or behind. */
class Tab extends EventTarget {
  hidden = false;
  turn(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}
let tab: Tab;

beforeEach(() => {
  vi.useFakeTimers();
  tab = new Tab();
  vi.stubGlobal('document', tab);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Questions that are answered when the test says so. */
class Desk {
  open: { resolve: (value: string) => void; reject: (error: unknown) => void }[] = [];
  signals: AbortSignal[] = [];
  ask = (signal: AbortSignal): Promise<string> => {
    this.signals.push(signal);
    return new Promise((resolve, reject) => this.open.push({ resolve, reject }));
  };
  async answer(value: string): Promise<void> {
    this.open.shift()!.resolve(value);
    await vi.advanceTimersByTimeAsync(0);
  }
  async refuse(error: unknown): Promise<void> {
    this.open.shift()!.reject(error);
    await vi.advanceTimersByTimeAsync(0);
  }
  get n_asked(): number {
    return this.signals.length;
  }
}

it('asks at once, soon after it is told to, and every now and then', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 10_000);
  expect([desk.n_asked, asked.value]).toEqual([1, null]);
  await desk.answer('one');
  expect(asked.value).toBe('one');
  asked.soon();
  asked.soon();
  expect(desk.n_asked).toBe(1);
  await vi.advanceTimersByTimeAsync(500);
  expect(desk.n_asked).toBe(2);
  await desk.answer('two');
  await vi.advanceTimersByTimeAsync(9_500);
  expect(desk.n_asked).toBe(3);
  asked.end();
});

it('asks one question at a time, and once more afterwards', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 60_000);
  asked.soon();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(desk.n_asked).toBe(1);
  await desk.answer('late');
  await vi.advanceTimersByTimeAsync(500);
  expect(desk.n_asked).toBe(2);
  asked.end();
});

it('keeps the last answer when the next question fails, and says why it did', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 1_000);
  await desk.answer('known');
  await vi.advanceTimersByTimeAsync(1_000);
  await desk.refuse(new ApiError(0, 'The collector does not answer.'));
  expect([asked.value, asked.error, asked.missing]).toEqual([
    'known',
    'The collector does not answer.',
    false,
  ]);
  await vi.advanceTimersByTimeAsync(1_000);
  await desk.refuse(new ApiError(404, 'there is no host "a"'));
  expect([asked.value, asked.missing]).toEqual(['known', true]);
  await vi.advanceTimersByTimeAsync(1_000);
  await desk.answer('back');
  expect([asked.value, asked.error, asked.missing]).toEqual(['back', null, false]);
  asked.end();
});

it('asks nothing while nobody looks', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 1_000);
  await desk.answer('one');
  tab.turn(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(desk.n_asked).toBe(1);
  tab.turn(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(desk.n_asked).toBe(2);
  asked.end();
});

it('keeps what changed while nobody looked until somebody does, and asks once', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 60_000);
  await desk.answer('one');
  tab.turn(true);
  asked.soon();
  await vi.advanceTimersByTimeAsync(30_000);
  asked.soon();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(desk.n_asked).toBe(1);
  tab.turn(false);
  expect(desk.n_asked).toBe(2);
  await desk.answer('two');
  tab.turn(true);
  tab.turn(false);
  expect(desk.n_asked).toBe(2);
  asked.end();
});

it('ends: no more questions, and the failure of the open one is nobody’s', async () => {
  const desk = new Desk();
  const asked = new Asked(desk.ask, 1_000);
  asked.soon();
  asked.end();
  expect(desk.signals[0]!.aborted).toBe(true);
  await desk.refuse(new DOMException('aborted', 'AbortError'));
  asked.soon();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([desk.n_asked, asked.error]).toEqual([1, null]);
});
