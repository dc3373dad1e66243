import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { aHost, aModel, aService, aSnapshot } from './examples.ts';
import { start } from './fold.ts';
import { Names } from './names.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function begin(ask: (id: string) => Promise<string[]>) {
  const fleet = start(
    aSnapshot({
      hosts: [aHost('a')],
      services: [
        aService('new', { host_id: 'a', n_models: 2 }),
        aService('known', { host_id: 'a', n_models: 1 }),
      ],
      fleet_models: [aModel('llama', { services: ['known'] })],
    }),
  );
  const asked: string[] = [];
  const named: (string | null)[] = [];
  const names = new Names(
    () => fleet,
    (id) => {
      asked.push(id);
      return ask(id);
    },
    (host) => named.push(host),
  );
  return { fleet, names, asked, named };
}

it('asks for what the feed has only counted', async () => {
  const { fleet, names, asked, named } = begin(() => Promise.resolve(['qwen', 'llama']));
  for (const service of fleet.services.values()) names.look(fleet, service);
  await vi.runAllTimersAsync();
  expect(asked).toEqual(['new']);
  expect(named).toEqual(['a']);
  expect(fleet.namesOf.get('new')).toEqual(['qwen', 'llama']);
  expect(fleet.installed.get('llama')).toEqual(new Set(['known', 'new']));
});

it('goes on after a refusal, and for a service that is gone meanwhile', async () => {
  const { fleet, names, asked } = begin((id) =>
    id === 'new' ? Promise.reject(new Error('no')) : Promise.resolve(['x']),
  );
  const gone = aService('gone', { n_models: 5 });
  names.look(fleet, fleet.services.get('new')!);
  names.look(fleet, gone);
  await vi.runAllTimersAsync();
  expect(asked).toEqual(['new', 'gone']);
  expect(fleet.installed.has('x')).toBe(false);
  names.look(fleet, fleet.services.get('new')!);
  await vi.runAllTimersAsync();
  expect(asked).toEqual(['new', 'gone', 'new']);
});
