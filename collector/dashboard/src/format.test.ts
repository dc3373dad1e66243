import { expect, it } from 'vitest';
import {
  ago,
  bytes,
  count,
  percent,
  plural,
  share,
  shareOf,
  span,
  watts,
  words,
} from './format.ts';

const GIB = 1024 ** 3;

it('says a dash for what is not known, and zero for zero', () => {
  for (const unknown of [null, undefined, NaN, Infinity]) {
    expect([percent(unknown), bytes(unknown), count(unknown), span(unknown)]).toEqual(
      Array(4).fill('–'),
    );
  }
  expect([percent(0), bytes(0)]).toEqual(['0 %', '0 B']);
  expect(watts(null, 700)).toBe('–');
});

it.each([
  [999, '999 B'],
  [1000, '1 KiB'],
  [1.5 * 1024 ** 2, '1.5 MiB'],
  [6654289920, '6.2 GiB'],
  [80 * GIB, '80 GiB'],
  [1008 * GIB, '1,008 GiB'],
  [20_480 * GIB, '20 TiB'],
])('says %d bytes as %s', (value, text) => {
  expect(bytes(value)).toBe(text);
});

it('says a share in the unit of the whole', () => {
  expect(share(61.23 * GIB, 80 * GIB)).toBe('61.2 / 80 GiB');
  expect(share(null, 80 * GIB)).toBe('– / 80 GiB');
  expect(share(3 * GIB, null)).toBe('3 GiB');
  expect(shareOf(1, 4)).toBe(25);
  expect(shareOf(1, 0)).toBeNull();
});

it('says times in their largest unit', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');
  expect(ago('2026-11-21T09:59:59Z', now)).toBe('now');
  expect(ago('2026-11-21T10:00:05Z', now)).toBe('now');
  expect(ago('2026-11-21T09:59:18Z', now)).toBe('42 s ago');
  expect(ago('2026-11-21T09:40:00Z', now)).toBe('20 min ago');
  expect(ago('2026-11-14T09:40:00Z', now)).toBe('7 d ago');
  expect(ago('garbage', now)).toBe('–');
  expect(ago(null, now)).toBe('–');
});

it('says words', () => {
  expect(words('gpu_lost')).toBe('GPU lost');
  expect(words('memory_psi')).toBe('Memory PSI');
  expect(plural(1, 'model')).toBe('1 model');
  expect(plural(1200, 'model')).toBe('1,200 models');
});
