import { expect, it } from 'vitest';
import { wrongLabelOf } from './wrongLabel.ts';

const good = { key: 'rack', value: '7' };

it.each([
  ['a value without a key', [good, { key: ' ', value: 'x' }], 1, 'key'],
  [
    'a key for the second time',
    [good, { key: '', value: '' }, { key: ' rack', value: '' }],
    2,
    'key',
  ],
  ['a long key', [good, { key: 'é'.repeat(129), value: '' }], 1, 'key'],
  ['a long value', [good, { key: 'row', value: 'x'.repeat(257) }], 1, 'value'],
  ['what only the collector sees', [good, good].slice(0, 1), 0, 'key'],
] as const)('finds %s', (_, labels, row, part) => {
  expect(wrongLabelOf(labels)).toEqual({ row, part });
});
