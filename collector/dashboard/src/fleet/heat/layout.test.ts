import { expect, it } from 'vitest';
import { at, beside, blocksBetween, cut, layOut, NAMED_PX, type Section } from './layout.ts';

const hosts = (n: number, n_gpus: number, from = 0) =>
  Array.from({ length: n }, (_, i) => ({ id: `h${from + i}`, name: `host ${from + i}`, n_gpus }));
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

it('leaves room for names where squares are large, and none where hosts are many', () => {
  const few = layOut([{ title: 'a', hosts: [...hosts(9, 1), ...hosts(9, 8, 9)] }], 700, 900);
  expect(few.pitch).toBeGreaterThanOrEqual(NAMED_PX);
  expect(few.name_px).toBeGreaterThan(11);
  const names = few.blocks.map(({ x, y, width }) => ({ x, y: y - few.name_px, width }));
  for (const [i, { x, y, width }] of names.entries()) {
    expect(x + width <= 700 && width >= 80).toBe(true);
    expect(y).toBeGreaterThanOrEqual(few.headings[0]!.y + 20);
    // At its name there is the host, and no GPU of any other.
    for (const at_x of [x, x + width - 1]) {
      for (const at_y of [y, y + few.name_px - 1]) {
        expect(at(few, at_x, at_y)).toEqual({ block: i, gpu: null });
      }
    }
  }
  const many = layOut(plain(400, 8), 1400, 600);
  expect([many.pitch < NAMED_PX, many.name_px]).toEqual([true, 0]);
  expect(many.blocks[0]).toMatchObject({ y: 0, width: many.blocks[0]!.columns * many.pitch });
});

it('shows a part of it whose names alone are to be seen', () => {
  const layout = layOut(plain(40, 8), 400, 300_000);
  const second = layout.rows[1]!;
  expect(blocksBetween(layout, second.y + 1, second.y + 2)).toEqual([second.from, second.to]);
});

it('cuts names to their room, and no letter in two', () => {
  const widthOf = (text: string) => [...text].length * 10;
  expect(cut('gpu-1', 50, widthOf)).toBe('gpu-1');
  expect(cut('gpu-12', 50, widthOf)).toBe('gpu-…');
  expect(cut('gpu 12', 50, widthOf)).toBe('gpu…');
  expect(cut('😀😀😀😀', 30, widthOf)).toBe('😀😀…');
  expect(cut('gpu', 0, widthOf)).toBe('…');
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
