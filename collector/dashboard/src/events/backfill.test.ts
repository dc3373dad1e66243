import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Change } from '../feed/contract.ts';
import { aChange } from '../feed/examples.ts';
import { lastUpTo, reach, since } from './backfill.ts';

const { signal } = new AbortController();

/** A collector's ring, from its oldest number to its newest, as docs/events.md tells of it. */
class Ring {
  asked: URLSearchParams[] = [];
  constructor(
    readonly oldest: number,
    readonly newest: number,
    readonly typeOf: (seq: number) => string = () => 'host.changed',
  ) {}

  fetch = (url: URL): Promise<Response> => {
    const query = url.searchParams;
    this.asked.push(query);
    const [epoch, text] = query.get('since')!.split(':');
    const from = Number(text);
    if (epoch !== 'e' || from < this.oldest - 1 || from > this.newest) {
      return Promise.resolve(new Response('{"detail":"reset"}', { status: 410 }));
    }
    const types = query.get('types');
    const limit = Number(query.get('limit'));
    const events: Change[] = [];
    let seq = from;
    while (seq < this.newest && events.length < limit) {
      seq++;
      const type = this.typeOf(seq);
      if (!types || type.startsWith(types)) events.push(aChange(seq, type));
    }
    return Promise.resolve(new Response(JSON.stringify({ events, next: `e:${seq}` })));
  };
}

function ring(...args: ConstructorParameters<typeof Ring>): Ring {
  const made = new Ring(...args);
  vi.stubGlobal('fetch', made.fetch);
  return made;
}

beforeEach(() => vi.stubGlobal('document', { baseURI: 'http://collector/' }));
afterEach(() => vi.unstubAllGlobals());

const seqs = (changes: Change[]) => changes.map(({ seq }) => seq);

it('takes all of a young collector, and says that nothing was before', async () => {
  ring(1, 40);
  const past = await lastUpTo({ epoch: 'e', seq: 40 }, {}, 1000, signal);
  expect(past.changes).toHaveLength(40);
  expect(past.before).toBe('nothing');
});

it('takes the last thousand of an older one, in the short form', async () => {
  const asked = ring(1, 5000);
  const past = await lastUpTo({ epoch: 'e', seq: 5000 }, {}, 1000, signal);
  expect([past.changes.length, past.changes[0]!.seq, past.before]).toEqual([1000, 4001, 'more']);
  expect(asked.asked.every((query) => query.get('view') === 'summary')).toBe(true);
});

it('takes more of it when that is asked for', async () => {
  ring(1, 5000);
  const past = await lastUpTo({ epoch: 'e', seq: 5000 }, {}, 3000, signal);
  expect([past.changes.length, past.changes[0]!.seq, past.before]).toEqual([3000, 2001, 'more']);
});

it('finds how far a ring reaches that does not reach a thousand back', async () => {
  const asked = ring(4700, 5000);
  const past = await lastUpTo({ epoch: 'e', seq: 5000 }, {}, 1000, signal);
  expect(past.before).toBe('gone');
  expect(past.changes.at(-1)!.seq).toBe(5000);
  expect(past.changes[0]!.seq).toBeLessThan(4700 + 40);
  expect(asked.asked.length).toBeLessThan(14);
});

it('looks further back for what is rare', async () => {
  ring(1, 9000, (seq) => (seq % 1000 === 7 ? 'gpu.lost' : 'host.changed'));
  const past = await lastUpTo({ epoch: 'e', seq: 9000 }, { types: 'gpu.' }, 1000, signal);
  expect(seqs(past.changes)).toEqual([7, 1007, 2007, 3007, 4007, 5007, 6007, 7007, 8007]);
  expect(past.before).toBe('nothing');
});

it('goes no further back where there is enough', async () => {
  const asked = ring(1, 9000, (seq) => (seq % 2 === 0 ? 'gpu.lost' : 'host.changed'));
  const past = await lastUpTo({ epoch: 'e', seq: 9000 }, { types: 'gpu.' }, 1000, signal);
  expect([past.changes.length, past.before]).toEqual([500, 'more']);
  expect(asked.asked.length).toBe(2);
});

it('has nothing of another run, and of what is gone since', async () => {
  ring(1, 10);
  expect(await since({ epoch: 'old', seq: 3 }, {}, 1000, signal)).toEqual([]);
  expect(seqs(await since({ epoch: 'e', seq: 7 }, {}, 1000, signal))).toEqual([8, 9, 10]);
});

it('searches by halves', async () => {
  const looked: number[] = [];
  const found = await reach((by) => {
    looked.push(by);
    return Promise.resolve(by <= 300);
  }, 1000);
  expect(found).toBeGreaterThan(300 - 40);
  expect(found).toBeLessThanOrEqual(300);
  expect(looked.length).toBeLessThan(8);
});
