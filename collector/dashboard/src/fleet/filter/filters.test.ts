import { expect, it } from 'vitest';
import { parse, withQuery } from '../../route.ts';
import {
  isFiltered,
  readFilters,
  readGrouping,
  toggled,
  writeGrouping,
  writeSort,
} from './filters.ts';

const reopened = (query: Record<string, string>) =>
  readFilters(parse(withQuery(parse(`#/hosts`), query)).query);

it('has a plain table without anything in the address', () => {
  const filters = readFilters({});
  expect(filters).toMatchObject({ q: '', group: null, view: 'table' });
  expect(filters.sort).toEqual({ key: 'name', direction: 'ascending' });
  expect(isFiltered(filters)).toBe(false);
});

it('puts a value in and takes it out again', () => {
  const one = toggled(readFilters({}), 'status', 'stale');
  const two = toggled(readFilters(one), 'status', 'offline');
  expect(two).toEqual({ status: 'stale,offline' });
  expect(isFiltered(readFilters(two))).toBe(true);
  expect(toggled(readFilters(two), 'status', 'stale')).toEqual({ status: 'offline' });
  expect(toggled(readFilters({ status: 'stale' }), 'status', 'stale')).toEqual({ status: '' });
});

it.each(['a,b', 'a\\', '\\,', 'zone=ä&b#?', ' spaced '])(
  'comes back through the address: %j',
  (value) => {
    const query = toggled(readFilters(toggled(readFilters({}), 'label', 'x=1')), 'label', value);
    expect(reopened(query).values.label).toEqual(['x=1', value]);
  },
);

it('keeps what fits into an address', () => {
  const long = 'm'.repeat(300);
  const query = toggled(readFilters({ model: `first,${long}` }), 'model', 'n'.repeat(256));
  expect(query['model']!.length).toBeLessThanOrEqual(500);
  expect(readFilters(query).values.model).toEqual(['n'.repeat(256)]);
});

it('reads and writes the order', () => {
  expect(writeSort({ key: 'cpu', direction: 'descending' })).toEqual({ sort: '-cpu' });
  expect(readFilters({ sort: '-cpu' }).sort).toEqual({ key: 'cpu', direction: 'descending' });
  expect(writeSort({ key: 'name', direction: 'ascending' })).toEqual({ sort: '' });
  expect(readFilters({ sort: 'toString' }).sort.key).toBe('name');
});

it.each(['status', 'role', 'label:zone', 'label:a:b'])('groups by %s', (text) => {
  expect(writeGrouping(readGrouping(text))).toBe(text);
});

it.each(['', 'label:', 'zone', undefined])('does not group by %s', (text) => {
  expect(readGrouping(text)).toBeNull();
});
