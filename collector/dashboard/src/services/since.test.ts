import { expect, it } from 'vitest';
import { aChange } from '../feed/examples.ts';
import { Since } from './since.ts';

it('tells each change once, the newest first', () => {
  const changes = [aChange(1, 'host.online')];
  const since = new Since(changes);
  expect(since.news(changes)).toEqual([]);
  changes.push(aChange(2, 'model.loaded'), aChange(3, 'model.removed'));
  expect(since.news(changes).map((change) => change.seq)).toEqual([3, 2]);
  expect(since.news(changes)).toEqual([]);
});

it('takes a new run of the collector for news, whatever its numbers', () => {
  const changes = [aChange(90, 'host.online')];
  const since = new Since(changes);
  changes.push(aChange(1, 'host.online', { epoch: 'f' }));
  expect(since.news(changes).map((change) => [change.epoch, change.seq])).toEqual(
    [
      ['f', 1],
      ['e', 90],
    ].slice(0, 1),
  );
});
