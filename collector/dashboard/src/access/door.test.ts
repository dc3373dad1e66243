import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Change } from '../feed/contract.ts';
import { aChange } from '../feed/examples.ts';
import { Door } from './door.svelte.ts';

const fetched = vi.fn<(url: URL) => Promise<Response>>();
let names: string[];

beforeEach(() => {
  vi.useFakeTimers();
  names = ['gpu-1'];
  fetched.mockImplementation(() => {
    const agents = names.map((name, i) => ({
      name,
      fingerprint: `sha256:${name}`,
      first_seen_at: new Date(60_000 - i).toISOString(),
    }));
    return Promise.resolve(new Response(JSON.stringify({ agents, next_cursor: null })));
  });
  vi.stubGlobal('fetch', fetched);
  vi.stubGlobal('document', {
    baseURI: 'http://collector/',
    hidden: false,
    addEventListener: () => {},
    removeEventListener: () => {},
  });
});
afterEach(() => {
  fetched.mockReset();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('asks nobody before it is opened, and nobody after it has ended', async () => {
  const door = new Door({ fleet: {}, changes: [] });
  door.hear();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetched).not.toHaveBeenCalled();
  door.open();
  door.open();
  await vi.advanceTimersByTimeAsync(0);
  expect(door.n).toBe(1);
  expect(fetched.mock.calls.map(([url]) => url.searchParams.get('state'))).toEqual(['pending']);
  door.end();
  expect(door.n).toBe(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetched).toHaveBeenCalledTimes(1);
});

it('asks anew soon after the feed told of a key, and not for anything else', async () => {
  const feed = { fleet: {}, changes: [] as Change[] };
  const door = new Door(feed);
  door.open();
  await vi.advanceTimersByTimeAsync(0);
  feed.changes.push(aChange(1, 'host.online'));
  door.hear();
  await vi.advanceTimersByTimeAsync(1000);
  expect(fetched).toHaveBeenCalledTimes(1);
  expect(door.moved).toBe(0);

  names = ['gpu-1', 'gpu-2'];
  feed.changes.push(aChange(2, 'host.pending'));
  door.hear();
  await vi.advanceTimersByTimeAsync(1000);
  expect(door.agents.map(({ name }) => name)).toEqual(['gpu-2', 'gpu-1']);
  expect(door.moved).toBe(1);
});
