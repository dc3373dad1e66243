import { expect, it } from 'vitest';
import { aChange } from './feed/examples.ts';
import { Heard } from './heard.ts';

const isCatalog = (change: { type: string }) => change.type.startsWith('catalog.');

it('tells news once, and only of what is of concern', () => {
  const fleet = {};
  const changes = [aChange(1, 'catalog.reloaded')];
  const heard = new Heard({ fleet, changes }, isCatalog);
  expect(heard.news({ fleet, changes })).toBe(false);
  changes.push(aChange(2, 'host.stale'));
  expect(heard.news({ fleet, changes })).toBe(false);
  changes.push(aChange(3, 'catalog.rejected'), aChange(4, 'host.stale'));
  expect(heard.news({ fleet, changes })).toBe(true);
  expect(heard.news({ fleet, changes })).toBe(false);
});

it('looks at all that is kept where the last one it saw is gone', () => {
  const fleet = {};
  const heard = new Heard({ fleet, changes: [aChange(1, 'host.stale')] }, isCatalog);
  expect(heard.news({ fleet, changes: [aChange(8, 'catalog.reloaded')] })).toBe(true);
});

it('takes a feed that began anew for news', () => {
  const heard = new Heard({ fleet: {}, changes: [] }, isCatalog);
  const fleet = {};
  expect(heard.news({ fleet, changes: [] })).toBe(true);
  expect(heard.news({ fleet, changes: [] })).toBe(false);
  expect(heard.since({ fleet: {}, changes: [] })).toBeNull();
});

it('tells what was said of concern, each once', () => {
  const fleet = {};
  const changes = [aChange(1, 'catalog.reloaded')];
  const heard = new Heard({ fleet, changes }, isCatalog);
  expect(heard.since({ fleet, changes })).toEqual([]);
  changes.push(aChange(2, 'host.stale'), aChange(3, 'catalog.rejected'));
  expect(heard.since({ fleet, changes })?.map(({ seq }) => seq)).toEqual([3]);
  expect(heard.since({ fleet, changes })).toEqual([]);
});
