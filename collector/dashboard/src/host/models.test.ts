import { expect, it } from 'vitest';
import type { Model } from '../feed/contract.ts';
import { expiry, warmFirst } from './models.ts';
import { summarise } from './summary.ts';

it('lists warm models first, then by name as people count', () => {
  const named = (name: string, warm: boolean) => ({ name, warm }) as Model;
  const models = [named('q:32b', false), named('q:8b', false), named('z', true)];
  expect(warmFirst(models).map((model) => model.name)).toEqual(['z', 'q:8b', 'q:32b']);
});

it('says when a model leaves the memory', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');
  const at = (expires_at: string | null, over = {}) =>
    expiry({ warm: true, expires_at, ...over }, now);
  expect(at('2026-11-21T10:05:00Z')).toBe('in 5 min');
  expect(at('2026-11-21T09:05:00Z')).toBe('now');
  expect(at(null, { keep: 'forever' })).toBe('never');
  expect(at(null)).toBe('–');
  expect(at('2026-11-21T10:05:00Z', { warm: false })).toBe('–');
});

it('sums a series up without its gaps', () => {
  expect(summarise([1, null, 3])).toEqual({ mean: 2, peak: 3 });
  expect(summarise([null])).toEqual({ mean: null, peak: null });
});
