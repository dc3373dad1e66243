import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ServiceSummary } from './contract.ts';
import { aChange, aHost, aModel, aService, aSnapshot } from './examples.ts';
import { fold, start, type Fleet } from './fold.ts';
import { askNames, Names, type NamesOf } from './names.ts';

const page = { hidden: false, baseURI: 'http://collector/' };
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', page);
  page.hidden = false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

type Ask = (ids: readonly string[]) => Promise<NamesOf>;

/** A fleet with one service that has one model, and what is asked about it. */
function begin(ask: Ask) {
  const fleet = start(
    aSnapshot({
      hosts: [aHost('a')],
      services: [aService('known', { host_id: 'a', n_models: 1 })],
      fleet_models: [aModel('llama', { services: ['known'] })],
    }),
  );
  const asked: string[][] = [];
  let current: Fleet | null = fleet;
  const names = new Names(
    () => current,
    (ids) => {
      asked.push([...ids]);
      return ask(ids);
    },
    () => {},
  );
  const told = (type: string, id: string, over: Partial<ServiceSummary> = {}) => {
    const before = fleet.services.get(id);
    const data = aService(id, { host_id: 'a', ...before, ...over });
    const change = aChange(fleet.seq + 1, type, { host_id: 'a', service_id: id, data });
    expect(fold(fleet, change).kind).toBe('folded');
    names.look(fleet, change, before);
  };
  const beginAnew = () => (current = start(aSnapshot()));
  return { fleet, names, asked, told, beginAnew };
}
const all =
  (...names: string[]): Ask =>
  (ids) =>
    Promise.resolve(new Map(ids.map((id) => [id, names])));

it('asks for what the feed has only counted', async () => {
  const { fleet, asked, told } = begin(all('qwen', 'llama'));
  told('service.registered', 'new', { n_models: 2 });
  told('service.state', 'known', { state: 'busy' });
  await vi.runAllTimersAsync();
  expect(asked).toEqual([['new']]);
  expect(fleet.namesOf.get('new')).toEqual(['qwen', 'llama']);
  expect(fleet.installed.get('llama')).toEqual(new Set(['known', 'new']));
});

it('asks where one model may have taken the place of another', async () => {
  const { fleet, asked, told } = begin(all('qwen'));
  told('service.changed', 'known', { status: 'unknown' });
  told('service.healthy', 'known', { status: 'healthy' });
  await vi.runAllTimersAsync();
  expect(asked).toEqual([]);
  told('service.changed', 'known');
  await vi.runAllTimersAsync();
  expect(asked).toEqual([['known']]);
  expect(fleet.namesOf.get('known')).toEqual(['qwen']);
  expect(fleet.installed.has('llama')).toBe(false);
  told('service.state', 'known', { warm: ['phi'] });
  await vi.runAllTimersAsync();
  expect(asked.length).toBe(2);
});

it('goes on after a refusal, and for a service that is gone meanwhile', async () => {
  const { fleet, asked, told } = begin((ids) =>
    ids[0] === 'new' ? Promise.reject(new Error('no')) : all('x')(ids),
  );
  told('service.registered', 'new', { n_models: 2 });
  told('service.registered', 'gone', { n_models: 5 });
  fleet.services.delete('gone');
  await vi.runAllTimersAsync();
  expect(asked).toEqual([['new'], ['gone']]);
  expect(fleet.installed.has('x')).toBe(false);
  told('service.state', 'new');
  await vi.runAllTimersAsync();
  expect(asked).toEqual([['new'], ['gone'], ['new']]);
});

it('asks for many at once', async () => {
  const { fleet, asked, told } = begin(all('qwen'));
  for (let i = 0; i < 500; i++) told('service.registered', `s${i}`);
  await vi.runAllTimersAsync();
  expect(asked.map((ids) => ids.length)).toEqual([1, 499]);
  expect(fleet.installed.get('qwen')?.size).toBe(500);
});

it('asks again where the feed named a model meanwhile, and never after a new beginning', async () => {
  const open: (() => void)[] = [];
  const slow: Ask = (ids) =>
    new Promise((done) => open.push(() => done(new Map([[ids[0]!, ['old']]]))));
  const { fleet, asked, told, beginAnew } = begin(slow);
  told('service.changed', 'known');
  const installed = { host_id: 'a', service_id: 'known', model: 'phi' };
  fold(fleet, aChange(fleet.seq + 1, 'model.installed', installed));
  open.shift()!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(fleet.namesOf.get('known')).toEqual(['llama', 'phi']);
  expect(asked.length).toBe(2);
  beginAnew();
  open.shift()!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(fleet.namesOf.get('known')).toEqual(['llama', 'phi']);
});

it('asks nothing while nobody looks', async () => {
  const { names, asked, told } = begin(all('qwen'));
  page.hidden = true;
  told('service.changed', 'known');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toEqual([]);
  page.hidden = false;
  names.goOn();
  expect(asked).toEqual([['known']]);
});

it('reads one service by itself, and many out of the list of models', async () => {
  const answers = [
    { models: [{ name: 'qwen' }] },
    { models: [{ name: 'qwen', services: ['a', 'x'] }], next_cursor: 'qwen' },
    { models: [{ name: 'phi', services: ['a'] }], next_cursor: null },
  ];
  const paths: string[] = [];
  vi.stubGlobal('fetch', (url: URL) => {
    paths.push(url.pathname);
    return Promise.resolve(new Response(JSON.stringify(answers.shift())));
  });
  expect(await askNames(['a'])).toEqual(new Map([['a', ['qwen']]]));
  const many = new Map([
    ['a', ['qwen', 'phi']],
    ['b', []],
  ]);
  expect(await askNames(['a', 'b'])).toEqual(many);
  expect(paths).toEqual(['/api/v1/services/a', '/api/v1/models', '/api/v1/models']);
});
