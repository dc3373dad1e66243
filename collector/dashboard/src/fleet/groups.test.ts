import { expect, it } from 'vitest';
import { aHost, aSample, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { Live } from '../feed/live.ts';
import { grouped, Lines } from './groups.ts';

const fleet = start(
  aSnapshot({
    hosts: [
      aHost('a', { labels: { zone: 'z10' }, gpus: [[1, 10]], vram_percent: 10 }),
      aHost('b', {
        labels: { zone: 'z2' },
        gpus: [
          [1, 50],
          [1, 50],
          [1, 50],
        ],
        vram_percent: 50,
      }),
      aHost('c', { labels: { zone: 'z10' }, status: 'offline', gpus: [[null, null]] }),
      aHost('d'),
    ],
  }),
);
const live = new Live();
live.reset(fleet);
const ids = ['d', 'c', 'b', 'a'];

it('groups by a label, in the order of people, those without it last', () => {
  const groups = grouped(fleet, live, ids, { by: 'label', name: 'zone' });
  expect(groups.map(({ value, ids: members }) => [value, members])).toEqual([
    ['z2', ['b']],
    ['z10', ['c', 'a']],
    [null, ['d']],
  ]);
  expect(groups[1]).toMatchObject({
    n_gpus: 2,
    n_by_status: { online: 1, offline: 1 },
    vram_percent: 10,
    vram_bytes: null,
  });
});

it('weighs hosts by their GPUs, and counts bytes where all are sampled', () => {
  const [group] = grouped(fleet, live, ['a', 'b'], { by: 'role' });
  expect(group!.vram_percent).toBe(40);
  for (const id of ['a', 'b']) {
    const resources = { vram_used_bytes: 5, vram_total_bytes: 10 };
    live.sample(fleet, aSample(id, { resources: resources as never }));
  }
  expect(grouped(fleet, live, ['a', 'b'], { by: 'role' })[0]!.vram_bytes).toEqual({
    used: 10,
    total: 20,
  });
});

it('has no VRAM where nobody is heard', () => {
  expect(grouped(fleet, live, ['c', 'd'], { by: 'status' }).map((one) => one.vram_percent)).toEqual(
    [null, null],
  );
});

it('finds lines by number, and numbers by host', () => {
  const groups = grouped(fleet, live, ids, { by: 'label', name: 'zone' });
  const lines = new Lines(ids, groups, new Set(['z10']));
  const told = (i: number) => {
    const line = lines.at(i);
    return line?.kind === 'group' ? `[${line.group.value}]` : (line?.id ?? null);
  };
  expect(lines.length).toBe(5);
  expect([0, 1, 2, 3, 4, 5].map(told)).toEqual(['[z2]', 'b', '[z10]', '[null]', 'd', null]);
  expect([0, 1, 2, 3, 4].map((i) => lines.isHeading(i))).toEqual([true, false, true, true, false]);
  expect(lines.lineOfHost('d')).toBe(4);
  expect(lines.lineOfHost('a')).toBe(-1);
});

it('finds a group by its value, wherever it has moved to', () => {
  const grouping = { by: 'label', name: 'zone' } as const;
  const lines = new Lines(ids, grouped(fleet, live, ids, grouping));
  const [first] = grouped(fleet, live, ids, grouping);
  expect(lines.lineOfGroup(first!)).toBe(0);
  expect(lines.lineOfGroup({ value: null })).toBe(lines.length - 2);
  const fewer = new Lines(ids, grouped(fleet, live, ['d'], grouping));
  expect(fewer.lineOfGroup({ value: null })).toBe(0);
  expect(fewer.lineOfGroup(first!)).toBe(-1);
  expect([lines.lineOfGroup(null), new Lines(ids).lineOfGroup(first!)]).toEqual([-1, -1]);
});

it('is a plain list without groups', () => {
  const lines = new Lines(ids);
  expect(lines.at(2)).toEqual({ kind: 'host', id: 'b' });
  expect(lines.lineOfHost('b')).toBe(2);
  expect(lines.isHeading(0)).toBe(false);
});
