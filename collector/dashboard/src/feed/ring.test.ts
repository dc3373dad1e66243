import { expect, it } from 'vitest';
import { CAPACITY, GAP_S, Ring, Rings, WINDOW_S } from './ring.ts';

const point = (at_s: number, cpu = 1) => ({ at_s, cpu, memory: 2, gpu: NaN });

it('gives back points in order, the unknown as null', () => {
  const ring = new Ring();
  ring.push(point(1));
  ring.push(point(2, 5));
  expect(ring.columns(2)).toEqual([
    [1, 2],
    [1, 5],
    [2, 2],
    [null, null],
  ]);
});

it('never grows beyond its capacity and keeps the newest', () => {
  const ring = new Ring();
  for (let i = 0; i < 3 * CAPACITY; i++) ring.push(point(i, i));
  expect(ring.length).toBe(CAPACITY);
  const [at, cpu] = ring.columns(3 * CAPACITY - 1);
  expect(at.at(-1)).toBe(3 * CAPACITY - 1);
  expect(cpu.at(-1)).toBe(3 * CAPACITY - 1);
  expect(at[0]).toBe(3 * CAPACITY - 1 - WINDOW_S);
});

it('shows a pause as a gap', () => {
  const ring = new Ring();
  ring.push(point(10));
  ring.push(point(10 + GAP_S));
  ring.push(point(30));
  const [at, cpu] = ring.columns(30);
  expect(at).toEqual([10, 15, 16, 30]);
  expect(cpu).toEqual([1, 1, null, 1]);
});

it('ignores a sample that is not newer', () => {
  const ring = new Ring();
  ring.push(point(5));
  ring.push(point(5));
  ring.push(point(4));
  expect(ring.length).toBe(1);
});

it('drops the host longest without a sample when there are too many', () => {
  const rings = new Rings(2);
  rings.push('a', point(1));
  rings.push('b', point(1));
  rings.push('a', point(2));
  rings.push('c', point(1));
  expect(rings.size).toBe(2);
  expect(rings.get('b')).toBeUndefined();
  expect(rings.get('a')?.length).toBe(2);
});
