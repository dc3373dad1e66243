import { expect, it } from 'vitest';
import { keeperOf } from './stays.ts';

it('knows who would list a removed service again', () => {
  const found = { sources: ['agent' as const, 'manual' as const], status: 'healthy' as const };
  expect(keeperOf(found, 'online')).toBe('agent');
  expect(keeperOf(found, 'stale')).toBe('agent');
  expect(keeperOf({ ...found, sources: ['manual', 'file'] }, null)).toBe('file');
});

it('leaves to the collector what may have gone from its host', () => {
  const found = { sources: ['agent' as const], status: 'healthy' as const };
  expect(keeperOf(found, 'offline')).toBeNull();
  expect(keeperOf({ ...found, status: 'down' }, 'online')).toBeNull();
  expect(keeperOf({ ...found, sources: ['manual'] }, 'online')).toBeNull();
});
