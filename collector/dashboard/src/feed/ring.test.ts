import { expect, it } from 'vitest';
import { COLUMNS_MOST, Ring, WINDOW_S } from './ring.ts';

it('gives back what came later than an instant, by column', () => {
  const ring = new Ring();
  for (let at = 1; at <= 4; at++) ring.push(at, { cpu_percent: at * 10 });
  const after = ring.after(2);
  expect(after.at).toEqual([3, 4]);
  expect(after.column('cpu_percent')).toEqual([30, 40]);
  expect(after.column('nothing')).toBeNull();
  expect(ring.after(4).at).toEqual([]);
});

it('has no value where a sample says none, also before a column was met', () => {
  const ring = new Ring();
  ring.push(1, { a: 1 });
  ring.push(2, { a: null, b: 0 });
  ring.push(3, { b: 5 });
  expect(ring.after(0).column('a')).toEqual([1, null, null]);
  expect(ring.after(0).column('b')).toEqual([null, 0, 5]);
});

it('takes the same sample once, and none that is older', () => {
  const ring = new Ring();
  expect(ring.push(5, { a: 1 })).toBe(true);
  expect(ring.push(5, { a: 2 })).toBe(false);
  expect(ring.push(4, { a: 3 })).toBe(false);
  expect(ring.after(0).column('a')).toEqual([1]);
});

it('keeps the window and little more, and columns only while they say something', () => {
  const ring = new Ring();
  ring.push(0, { gone: 1, stays: 1 });
  for (let at = 1; at <= 3 * WINDOW_S; at++) {
    ring.push(at, { stays: at });
    expect(ring.length).toBeLessThanOrEqual(WINDOW_S + 62);
  }
  const { at, column } = ring.after(3 * WINDOW_S - WINDOW_S);
  expect(at.length).toBe(WINDOW_S);
  expect(column('stays')?.at(-1)).toBe(3 * WINDOW_S);
  expect([...ring.names()]).toEqual(['stays']);
});

it('has a bound on columns', () => {
  const ring = new Ring();
  const many = Object.fromEntries(
    Array.from({ length: COLUMNS_MOST + 50 }, (_, i) => [`c${i}`, 1]),
  );
  ring.push(1, many);
  expect([...ring.names()].length).toBe(COLUMNS_MOST);
});
