import { expect, it } from 'vitest';
import type { Model, ServiceDetail, ServiceSample } from '../../feed/contract.ts';
import { context, expiry, warmFirst, withSample } from './models.ts';

it('lists warm models first, then by name as people count', () => {
  const named = (name: string, warm: boolean) => ({ name, warm }) as Model;
  const models = [named('q:32b', false), named('q:8b', false), named('z', true)];
  expect(warmFirst(models).map((model) => model.name)).toEqual(['z', 'q:8b', 'q:32b']);
});

it('counts down to when a model leaves the memory', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');
  const at = (expires_at: string | null, over = {}) =>
    expiry({ warm: true, expires_at, ...over }, now);
  expect(at('2026-11-21T10:05:07Z')).toBe('in 5:07');
  expect(at('2026-11-21T12:05:00Z')).toBe('in 2 h');
  expect(at('2026-11-21T09:05:00Z')).toBe('now');
  expect(at(null, { keep: 'forever' })).toBe('never');
  expect(at(null)).toBe('–');
  expect(at('2026-11-21T10:05:00Z', { warm: false })).toBe('–');
});

it('tells the context that a model has, of what it could have', () => {
  const model = (
    warm: boolean,
    loaded_context_length: number | null,
    context_length: number | null,
  ) => ({ warm, loaded_context_length, context_length }) as Model;
  expect(context(model(true, 8192, 131072))).toBe('8k of 128k');
  expect(context(model(true, 131072, 131072))).toBe('128k');
  expect(context(model(false, null, 2000))).toBe('2,000');
  expect(context(model(true, 4096, null))).toBe('4k');
  expect(context(model(false, null, null))).toBe('–');
});

it('takes what moves from the feed', () => {
  const service = {
    id: 'a',
    pending: 0,
    models: [
      { name: 'm', expires_at: 'then' },
      { name: 'n', expires_at: null },
    ],
  } as ServiceDetail;
  const sample = { id: 'a', pending: 3, models: [{ name: 'm', expires_at: 'later' }] };
  const now = withSample(service, sample as ServiceSample);
  expect(now.pending).toBe(3);
  expect(now.models.map((model) => model.expires_at)).toEqual(['later', null]);
  expect(withSample(service, undefined)).toBe(service);
});
