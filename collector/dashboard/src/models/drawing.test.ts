import { expect, it } from 'vitest';
import { aHost, aListedModel, aService, aSnapshot } from '../feed/examples.ts';
import { start } from '../feed/fold.ts';
import { Drawing } from './drawing.ts';
import { knownOf, placesOf, rowsOf } from './matrix.ts';

function example(warm: string[] = []) {
  const fleet = start(
    aSnapshot({
      hosts: [aHost('h', { name: 'gpu-1' })],
      services: [aService('a', { host_id: 'h', warm })],
    }),
  );
  const row = rowsOf(fleet, knownOf([aListedModel('m', { services: ['a'] })]), {})[0]!;
  return { fleet, row, place: placesOf(fleet, '')[0]! };
}

it('keeps the object of a cell that would be drawn as before', () => {
  const drawing = new Drawing();
  const { fleet, row, place } = example();
  const first = drawing.cell(fleet, row, place, 0)!;
  expect(first.title).toBe('m on gpu-1: cold');
  drawing.renew();
  const again = example();
  expect(drawing.cell(again.fleet, again.row, again.place, 0)).toBe(first);
});

it('draws anew what has changed or moved', () => {
  const drawing = new Drawing();
  const { fleet, row, place } = example();
  const first = drawing.cell(fleet, row, place, 0);
  drawing.renew();
  const warm = example(['m']);
  expect(drawing.cell(warm.fleet, warm.row, warm.place, 0)).toMatchObject({ state: 'warm' });
  drawing.renew();
  const moved = drawing.cell(fleet, row, place, 1);
  expect(moved).toMatchObject({ state: 'cold', column: 1 });
  expect(moved).not.toBe(first);
});
