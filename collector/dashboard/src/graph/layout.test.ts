import { expect, it } from 'vitest';
import { aFleet, aGraph } from './examples.ts';
import { crossings, curve, layoutOf, spaced } from './layout.ts';
import { neighboursOf, topologyOf, type Topology } from './topology.ts';

const laid = ({ nodes, links }: Topology) => layoutOf([...nodes.values()], links);

it('gives each kind its column, from left to right', () => {
  const { boxes } = laid(topologyOf(aGraph({ s: ['m'] }, { h: ['s'] })));
  const xs = ['collector', 'h', 's', 'model:m'].map((id) => boxes.get(id)!.x);
  expect(xs).toEqual([...xs].sort((a, b) => a - b));
  expect(new Set(xs).size).toBe(4);
});

it('counts what crosses', () => {
  const of = neighboursOf([
    { from: 'a', to: 'y' },
    { from: 'b', to: 'x' },
    { from: 'c', to: 'x' },
  ]);
  const crossed = [
    ['a', 'b', 'c'],
    ['x', 'y'],
  ];
  expect(crossings(crossed, of)).toBe(2);
  expect(crossings([crossed[0]!, ['y', 'x']], of)).toBe(0);
});

it('orders models so that nothing crosses that need not', () => {
  const topology = topologyOf(aGraph({ s1: ['z'], s2: ['a'] }, { h1: ['s1'], h2: ['s2'] }));
  const layout = laid(topology);
  expect(crossings(layout.columns, topology)).toBe(0);
  expect(layout.columns[1]).toEqual(['h1', 'h2']);
  expect(layout.columns[3]).toEqual(['model:z', 'model:a']);
});

it('keeps the services of a host together', () => {
  const graph = aGraph(
    { s1: ['b'], s2: ['a'], s3: ['b'], s4: ['a'] },
    { h1: ['s1', 's4'], h2: ['s2', 's3'] },
  );
  const services = laid(topologyOf(graph)).columns[2]!;
  expect([...services.slice(0, 2)].sort()).toEqual(['s1', 's4']);
});

it('keeps hosts in the order of their names where another one would not help much', () => {
  const { columns } = laid(topologyOf(aFleet(12, ['a', 'b', 'c'])));
  expect(columns[1]!.slice(0, 3)).toEqual(['h0', 'h1', 'h2']);
});

it('lets nothing overlap, and is the same each time', () => {
  const topology = topologyOf(aFleet(60, ['a', 'b']));
  const layout = laid(topology);
  expect(laid(topology)).toEqual(layout);
  for (const column of layout.columns) {
    const boxes = column.map((id) => layout.boxes.get(id)!);
    for (const [i, box] of boxes.slice(1).entries()) {
      expect(box.y).toBeGreaterThanOrEqual(boxes[i]!.y + boxes[i]!.height);
    }
  }
  const all = [...layout.boxes.values()];
  expect(Math.max(...all.map((box) => box.y + box.height))).toBeLessThanOrEqual(
    layout.height + 1e-9,
  );
  expect(Math.min(...all.map((box) => box.y))).toBeGreaterThan(0);
});

it('puts a host in the middle of what it runs', () => {
  const { boxes } = laid(topologyOf(aGraph({ s1: [], s2: [], s3: [] }, { h: ['s1', 's2', 's3'] })));
  expect(boxes.get('h')!.y).toBe(boxes.get('s2')!.y);
});

it('spaces what wants to be at one place evenly around it', () => {
  expect(spaced([10, 10, 10], 4)).toEqual([6, 10, 14]);
  expect(spaced([0, 100], 4)).toEqual([0, 100]);
  expect(spaced([50, 0], 4)).toEqual([23, 27]);
});

it('draws nothing from nothing', () => {
  expect(layoutOf([], [])).toMatchObject({ width: 0, heads: [] });
});

it('leads a curve from edge to edge', () => {
  const box = (x: number, y: number) => ({ x, y, width: 100, height: 20 });
  expect(curve(box(0, 0), box(200, 40))).toBe('M100 10C150 10 150 50 200 50');
});
