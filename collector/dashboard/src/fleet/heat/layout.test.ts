import { expect, it } from 'vitest';
import { at, beside, blocksBetween, layOut, type Section } from './layout.ts';

const hosts = (n: number, n_gpus: number, from = 0) =>
  Array.from({ length: n }, (_, i) => ({ id: `h${from + i}`, n_gpus }));
const plain = (n: number, n_gpus: number): Section[] => [{ title: null, hosts: hosts(n, n_gpus) }];

it('is large for few and small for many', () => {
  expect(layOut(plain(3, 8), 1400, 600).pitch).toBe(36);
  const many = layOut(plain(10_000, 8), 1400, 600);
  expect(many).toMatchObject({ pitch: 5, n_gpus: 80_000 });
  expect(many.height).toBeLessThan(3000);
});

it('keeps every block inside, and no two on each other', () => {
  const mixed = [
    { title: null, hosts: [...hosts(50, 1), ...hosts(50, 8, 50), ...hosts(9, 16, 100)] },
  ];
  const { blocks, pitch, height } = layOut(mixed, 390, 300);
  const boxes = blocks.map((one) => ({
    left: one.x,
    top: one.y,
    right: one.x + one.columns * pitch,
    bottom: one.y + Math.ceil(one.n_gpus / one.columns) * pitch,
  }));
  for (const [i, a] of boxes.entries()) {
    expect(a.right <= 390 && a.bottom <= height).toBe(true);
    for (const b of boxes.slice(i + 1)) {
      const apart =
        a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
      expect(apart).toBe(true);
    }
  }
});

it('finds at a point what lies there', () => {
  const layout = layOut(plain(200, 8), 700, 300);
  for (const [block, one] of layout.blocks.entries()) {
    for (const gpu of [0, 5, 7]) {
      const x = one.x + (gpu % one.columns) * layout.pitch + 1;
      const y = one.y + Math.floor(gpu / one.columns) * layout.pitch + 1;
      expect(at(layout, x, y)).toEqual({ block, gpu });
    }
  }
  expect(at(layout, -3, 1)).toBeNull();
  expect(at(layout, 1, layout.height + 5)).toBeNull();
});

it('begins a line for each group, below its heading', () => {
  const layout = layOut(
    [
      { title: 'a', hosts: hosts(1, 2) },
      { title: 'b', hosts: hosts(2, 2, 1) },
    ],
    500,
    500,
  );
  expect(layout.headings.map(({ title }) => title)).toEqual(['a', 'b']);
  expect(layout.blocks[1]!.y).toBeGreaterThan(layout.headings[1]!.y);
  expect(layout.rows.length).toBe(2);
});

it('knows which blocks a part of it shows', () => {
  const layout = layOut(plain(1000, 8), 300, 200);
  const [from, to] = blocksBetween(layout, 500, 700);
  expect(to - from).toBeGreaterThan(0);
  expect(to - from).toBeLessThan(1000);
  expect(layout.blocks[from]!.y).toBeLessThanOrEqual(500);
  expect(blocksBetween(layout, layout.height + 1, layout.height + 2)).toEqual([0, 0]);
});

it('walks by keys', () => {
  const layout = layOut(plain(100, 4), 400, 100);
  const perLine = layout.rows[0]!.to;
  expect(beside(layout, 0, 'ArrowLeft')).toBe(0);
  expect(beside(layout, 0, 'ArrowRight')).toBe(1);
  expect(beside(layout, 2, 'ArrowDown')).toBe(perLine + 2);
  expect(beside(layout, perLine + 2, 'ArrowUp')).toBe(2);
  expect(beside(layout, 1, 'ArrowUp')).toBe(1);
  expect(beside(layout, 5, 'End')).toBe(99);
  expect(beside(layout, 5, 'x')).toBeNull();
});
