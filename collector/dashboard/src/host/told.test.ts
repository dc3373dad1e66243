import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Change } from '../feed/contract.ts';
import { aChange } from '../feed/examples.ts';
import { Told } from './told.svelte.ts';

let asked: string[] = [];
let feed: { fleet: object; changes: Change[] };
let told: Told;
beforeEach(async () => {
  vi.useFakeTimers();
  const tab = Object.assign(new EventTarget(), { baseURI: 'http://collector/', hidden: false });
  vi.stubGlobal('document', tab);
  vi.stubGlobal('fetch', (url: URL) => {
    asked.push(url.pathname.split('/').at(-1)!);
    const page = { services: [], sessions: [], history: [], next_cursor: null };
    return Promise.resolve(new Response(JSON.stringify(page)));
  });
  feed = { fleet: {}, changes: [] };
  told = new Told('a', feed);
  await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => {
  told.end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** What is asked for when these were heard, the regular rounds aside. */
async function askedAfter(...types: string[]): Promise<string[]> {
  asked = [];
  for (const type of types) {
    feed.changes.push(aChange(feed.changes.length + 1, type, { host_id: 'a' }));
  }
  told.follow(feed);
  await vi.advanceTimersByTimeAsync(600);
  return asked.toSorted();
}

it('asks for what a change of the host bears on, and for nothing else', async () => {
  expect(await askedAfter('service.state', 'model.loaded')).toEqual(['services']);
  expect(await askedAfter('host.changed')).toEqual(['a']);
  expect(await askedAfter('host.offline')).toEqual(['a', 'history']);
  expect(await askedAfter('session.opened')).toEqual(['a', 'sessions']);
  expect(await askedAfter('gpu.lost')).toEqual(['a']);
  expect(await askedAfter('alert.raised')).toEqual([]);
});

it('asks for nothing where another host changed', async () => {
  feed.changes.push(aChange(1, 'host.offline', { host_id: 'b' }));
  expect(await askedAfter()).toEqual([]);
});

it('asks for all of it where the feed began anew', async () => {
  feed.fleet = {};
  expect(await askedAfter()).toEqual(['a', 'history', 'services', 'sessions']);
});
