import { expect, it } from 'vitest';
import { feedUrl } from './connection.ts';

it.each([
  ['http://127.0.0.1:6121/', 'ws://127.0.0.1:6121/api/v1/live?view=summary'],
  ['https://a.example/herd/#/hosts/x', 'wss://a.example/herd/api/v1/live?view=summary'],
  ['http://[::1]:1/deep/er/index.html', 'ws://[::1]:1/deep/er/api/v1/live?view=summary'],
])('finds the feed beside %s', (page, feed) => {
  expect(feedUrl(page)).toBe(feed);
});
