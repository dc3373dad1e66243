import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Change } from '../feed/contract.ts';
import { aChange, aSnapshot } from '../feed/examples.ts';
import { start, type Fleet } from '../feed/fold.ts';
import { Following } from './following.svelte.ts';
import { keyOf } from './log.ts';
import { wantedOf } from './wanted.ts';

/** What the feed told, and what the collector would tell of the past. */
class World {
  fleet: Fleet | null = start(aSnapshot({ seq: 0 }));
  changes: Change[] = [];
  past: Change[] = [];
  asked: string[] = [];
  fails = false;

  fetch = (url: URL): Promise<Response> => {
    if (this.fails) return Promise.reject(new TypeError('no network'));
    const since = url.searchParams.get('since')!;
    this.asked.push(since);
    const [epoch, seq] = since.split(':');
    const after = this.past.filter((one) => one.epoch === epoch && one.seq > Number(seq));
    const events = after.slice(0, Number(url.searchParams.get('limit')));
    const next = `${epoch}:${events.at(-1)?.seq ?? seq}`;
    return Promise.resolve(new Response(JSON.stringify({ events, next })));
  };

  happens(seq: number, epoch = 'e'): void {
    const change = aChange(seq, 'host.changed', { epoch });
    this.past.push(change);
    this.changes.push(change);
    this.fleet!.seq = seq;
  }
  /** The feed was away, and began anew with a snapshot. */
  missed(seqs: number[], epoch = 'e'): void {
    this.past.push(...seqs.map((seq) => aChange(seq, 'host.changed', { epoch })));
    this.fleet = start(aSnapshot({ epoch, seq: seqs.at(-1)! }));
  }
}

let world: World;
beforeEach(() => {
  world = new World();
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  vi.stubGlobal('fetch', world.fetch);
});
afterEach(() => vi.unstubAllGlobals());

/** All that was asked is answered: turns of the event loop, not time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setTimeout(resolve));
}
const keys = (following: Following) => following.changes.map(keyOf);

it('joins the past with what comes live', async () => {
  world.missed([1, 2, 3]);
  const following = new Following(world, wantedOf({}));
  world.happens(4);
  following.follow();
  await settled();
  expect(keys(following)).toEqual(['e:1', 'e:2', 'e:3', 'e:4']);
  expect([following.before, following.error]).toEqual(['nothing', null]);
  const n_asked = world.asked.length;
  world.happens(5);
  following.follow();
  await settled();
  expect(keys(following).at(-1)).toBe('e:5');
  expect(world.asked.length).toBe(n_asked);
});

it('asks for what it missed while the feed was away', async () => {
  world.missed([1]);
  const following = new Following(world, wantedOf({}));
  await settled();
  world.missed([2, 3]);
  world.happens(4);
  following.follow();
  await settled();
  expect(keys(following)).toEqual(['e:1', 'e:2', 'e:3', 'e:4']);
  expect(world.asked).toContain('e:1');
});

it('goes on in the next run of the collector', async () => {
  world.missed([7]);
  const following = new Following(world, wantedOf({}));
  await settled();
  world.missed([1, 2], 'f');
  following.follow();
  await settled();
  expect(keys(following)).toEqual(['e:7', 'f:1', 'f:2']);
});

it('holds the list, counts what is new, and shows it when let go', async () => {
  world.missed([1, 2]);
  const following = new Following(world, wantedOf({}));
  await settled();
  following.hold();
  world.happens(3);
  world.happens(4);
  following.follow();
  following.hold();
  const { shown, waiting } = following.parted();
  expect([shown.map(keyOf), waiting.map(keyOf)]).toEqual([
    ['e:1', 'e:2'],
    ['e:3', 'e:4'],
  ]);
  following.release();
  expect(following.parted()).toMatchObject({ shown: { length: 4 }, waiting: [] });
});

it('looks further back, and holds more then', async () => {
  world.missed(Array.from({ length: 2500 }, (_, i) => i + 1));
  const following = new Following(world, wantedOf({}));
  await settled();
  expect([following.changes.length, following.before, following.isFurther]).toEqual([
    1000,
    'more',
    true,
  ]);
  following.further();
  following.further();
  await settled();
  expect([following.changes.length, keys(following)[0]]).toEqual([2000, 'e:501']);
  following.further();
  await settled();
  expect([following.changes.length, following.before, following.isFurther]).toEqual([
    2500,
    'nothing',
    false,
  ]);
});

it('says why there is no past, and asks again', async () => {
  world.missed([1]);
  world.fails = true;
  const following = new Following(world, wantedOf({}));
  await settled();
  expect([following.error, following.before]).toEqual(['The collector does not answer.', null]);
  world.fails = false;
  following.again();
  await settled();
  expect([keys(following), following.error, following.before]).toEqual([['e:1'], null, 'nothing']);
});

it('notices a gap in the feed of one connection, too, whatever of it is wanted', async () => {
  const following = new Following(world, wantedOf({ host: 'a' }));
  const on = (seq: number, host_id: string) => aChange(seq, 'host.changed', { host_id });
  world.past.push(on(1, 'a'), on(2, 'b'), on(3, 'a'));
  world.missed([4]);
  world.happens(5);
  following.follow();
  await settled();
  expect(keys(following)).toEqual(['e:1', 'e:3']);
});
