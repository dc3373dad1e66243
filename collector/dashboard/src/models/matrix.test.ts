import { expect, it } from 'vitest';
import type { ListedModel } from '../feed/contract.ts';
import { aHost, aListedModel, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { cellOf, inSight, knownOf, placesOf, rowsOf } from './matrix.ts';

const digest = (letters: string, services?: string[]) => ({
  ...aListedModel('').variants[0]!,
  digest: letters,
  ...(services ? { services } : {}),
});

function example() {
  const models: ListedModel[] = [
    aListedModel('m', {
      services: ['a', 'b', 'c'],
      drift: true,
      variants: [digest('aa', ['a', 'c']), digest('bb', ['b'])],
    }),
    aListedModel('n', {
      services: ['a'],
      size_bytes: 9,
      variants: [{ ...digest('cc'), quantization: 'Q8_0' }],
    }),
  ];
  const fleet = start(
    aSnapshot({
      hosts: [aHost('h1', { name: 'gpu-2' }), aHost('h2', { name: 'gpu-10', status: 'offline' })],
      services: [
        aService('a', { host_id: 'h1', warm: ['m'] }),
        aService('b', { host_id: 'h2', status: 'unknown' }),
        aService('c', { host_id: null, name: 'elsewhere' }),
        aService('tool', { host_id: 'h1', kind: '', n_models: 0 }),
      ],
    }),
  );
  return { fleet, known: knownOf(models) };
}

it('has a column for each host with a model server and each server without a host', () => {
  const { fleet } = example();
  expect(placesOf(fleet, '').map((place) => place.title)).toEqual(['elsewhere', 'gpu-2', 'gpu-10']);
  expect(placesOf(fleet, 'GPU-1').map((place) => place.title)).toEqual(['gpu-10']);
  expect(placesOf(fleet, '').find((place) => place.title === 'gpu-2')?.services).toEqual(['a']);
});

it('tells warm, cold, unknown and missing apart, and which digest it is', () => {
  const { fleet, known } = example();
  const [m, n] = rowsOf(fleet, known, {});
  const [elsewhere, gpu2, gpu10] = placesOf(fleet, '');
  expect(cellOf(fleet, m!, gpu2!)).toMatchObject({ state: 'warm', service: 'a', build: 0 });
  expect(cellOf(fleet, m!, gpu10!)).toMatchObject({ state: 'unknown', service: 'b', build: 1 });
  expect(cellOf(fleet, m!, elsewhere!)).toMatchObject({ state: 'cold', service: 'c', build: 0 });
  expect(cellOf(fleet, n!, gpu2!)).toMatchObject({ state: 'cold', service: 'a', build: null });
  expect(cellOf(fleet, n!, gpu10!)).toBeNull();
});

it('shows of several servers on one host the warm one, then the one that differs', () => {
  const { fleet, known } = example();
  const m = rowsOf(fleet, known, {})[0]!;
  const both = { ...placesOf(fleet, 'gpu-2')[0]!, services: ['c', 'b', 'a'] };
  expect(cellOf(fleet, m, both)?.spots.map((spot) => spot.service)).toEqual(['a', 'c', 'b']);
  fleet.services.set('b', aService('b', { host_id: 'h1' }));
  expect(cellOf(fleet, m, both)?.spots.map((spot) => spot.service)).toEqual(['a', 'b', 'c']);
});

it('knows what the feed said after the list was made', () => {
  const { fleet, known } = example();
  fleet.installed.set('new', new Set(['a']));
  const row = rowsOf(fleet, known, { q: 'new' })[0]!;
  expect(row).toMatchObject({ name: 'new', known: null, n_hosts: 1 });
  expect(cellOf(fleet, row, placesOf(fleet, 'gpu-2')[0]!)?.state).toBe('cold');
});

it('filters by warmth, drift and words, and sorts', () => {
  const { fleet, known } = example();
  const names = (query: Record<string, string>) =>
    rowsOf(fleet, known, query).map((row) => row.name);
  expect(names({})).toEqual(['m', 'n']);
  expect(names({ warm: '1' })).toEqual(['m']);
  expect(names({ drift: '1' })).toEqual(['m']);
  expect(names({ q: 'Q8_0 comple' })).toEqual(['n']);
  expect(names({ sort: 'size' })).toEqual(['n', 'm']);
});

it('sees what is on the screen and a little around it, and never beyond the end', () => {
  for (let offset = 0; offset < 9900; offset += 7) {
    const [first, end] = inSight(offset, 100, 10, 1000);
    expect(first).toBeLessThanOrEqual(offset / 10);
    expect(end).toBeGreaterThanOrEqual(Math.min(1000, (offset + 100) / 10));
    expect(end - first).toBeLessThan(10 + 24);
  }
  expect(inSight(0, 100, 10, 5)).toEqual([0, 5]);
  expect(inSight(9990, 100, 10, 20)).toEqual([20, 20]);
});

it('moves in steps, not with every pixel', () => {
  expect(inSight(520, 100, 10, 1000)).toEqual(inSight(529, 100, 10, 1000));
});
