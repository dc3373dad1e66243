import { expect, it } from 'vitest';
import { ApiError } from '../../feed/api.ts';
import type { Events } from '../../feed/contract.ts';
import { aChange } from '../../feed/examples.ts';
import { backfill, EVENTS_MOST, follow, titleOf } from './events.ts';

const answer = (events: unknown[], next: string) =>
  ({ epoch: 'e', seq: 9, events, next }) as Events;
const of = (seq: number, host_id = 'a') => aChange(seq, 'host.changed', { host_id });

it('asks back as far as the collector still holds', async () => {
  const asked: string[] = [];
  const events = await backfill(
    async (since) => {
      asked.push(since);
      if (since === 'e:0' || since === 'e:4000') throw new ApiError(410, 'gone');
      return since === 'e:7000' ? answer([of(8000)], 'e:9000') : answer([], since);
    },
    'e',
    9000,
  );
  expect(asked).toEqual(['e:0', 'e:4000', 'e:7000', 'e:9000']);
  expect(events.map(({ seq }) => seq)).toEqual([8000]);
});

it('goes on page by page and keeps the newest', async () => {
  const page = (n: number) => Array.from({ length: EVENTS_MOST }, (_, i) => of(n + i));
  const events = await backfill(
    async (since) =>
      since === 'e:0'
        ? answer(page(0), 'e:200')
        : answer(since === 'e:200' ? page(200) : [], 'e:400'),
    'e',
    400,
  );
  expect(events.length).toBe(EVENTS_MOST);
  expect(events[0]?.seq).toBe(200);
});

it('does not hide another error', async () => {
  await expect(backfill(() => Promise.reject(new ApiError(500, 'no')), 'e', 1)).rejects.toThrow(
    'no',
  );
});

it('follows the feed, each change of this host once', () => {
  const changes = [of(1), of(2), of(3, 'b'), of(4)];
  const known = follow([of(1)], changes, 'a', { epoch: 'e', seq: 1 });
  expect(known.map(({ seq }) => seq)).toEqual([1, 2, 4]);
  expect(follow(known, changes, 'a', { epoch: 'e', seq: 1 })).toBe(known);
  expect(follow([], changes, 'a', { epoch: 'other', seq: 0 })).toEqual([]);
});

it('has a title for every type', () => {
  expect(titleOf('model.installed')).toBe('Model installed');
  expect(titleOf('gpu.lost')).toBe('GPU lost');
  expect(titleOf('host.finding_raised')).toBe('Finding raised');
});
