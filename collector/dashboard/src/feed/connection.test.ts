import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FeedConnection, feedUrl, type Connection } from './connection.ts';
import type { Frame, Watch } from './contract.ts';

it.each([
  ['http://127.0.0.1:6121/', 'ws://127.0.0.1:6121/api/v1/live?view=summary'],
  ['https://a.example/herd/#/hosts/x', 'wss://a.example/herd/api/v1/live?view=summary'],
  ['http://[::1]:1/deep/er/index.html', 'ws://[::1]:1/deep/er/api/v1/live?view=summary'],
])('finds the feed beside %s', (page, feed) => {
  expect(feedUrl(page)).toBe(feed);
});

class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  static get last() {
    return FakeSocket.all.at(-1)!;
  }
  readyState = FakeSocket.OPEN;
  sent: string[] = [];
  closed = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send = (text: string) => this.sent.push(text);
  close = () => (this.closed = true);
  say = (frame: object) => this.onmessage?.({ data: JSON.stringify(frame) });
}

const SNAPSHOT = { type: 'snapshot', epoch: 'e', seq: 1, hosts: [], services: [] };
const CHANGE = { type: 'change', change: { epoch: 'e', seq: 3, type: 'host.online' } };
const WATCH: Watch = { type: 'watch', hosts: ['a'], services: [], samples_per_second: 1 };

let states: Connection['kind'][];
let verdict: 'fine' | 'again';
let nUnwelcome: number;

function begin() {
  const taker = {
    frame: (_frame: Frame) => verdict,
    connection: (connection: Connection) => states.push(connection.kind),
    unwelcome: () => nUnwelcome++,
  };
  return new FeedConnection('ws://feed', taker);
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('window', { addEventListener: () => {}, removeEventListener: () => {} });
  FakeSocket.all = [];
  states = [];
  nUnwelcome = 0;
  verdict = 'fine';
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('is live with the first snapshot, and then says what it watches', () => {
  const feed = begin();
  feed.watch(WATCH);
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.say(SNAPSHOT);
  expect(states).toEqual(['connecting', 'live']);
  expect(JSON.parse(FakeSocket.last.sent[0]!)).toEqual(WATCH);
});

it('dials again after a loss and watches the same', () => {
  const feed = begin();
  FakeSocket.last.say(SNAPSHOT);
  feed.watch(WATCH);
  FakeSocket.last.onclose!({ code: 1006 });
  expect(states.at(-1)).toBe('reconnecting');
  vi.advanceTimersByTime(2000);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.say(SNAPSHOT);
  expect(states.at(-1)).toBe('live');
  expect(FakeSocket.last.sent).toHaveLength(1);
});

it('closes and dials again on a gap, and takes nothing more from the old socket', () => {
  begin();
  const first = FakeSocket.last;
  first.say(SNAPSHOT);
  verdict = 'again';
  const taken = first.onmessage!;
  first.say(CHANGE);
  expect(first.closed).toBe(true);
  expect(states.at(-1)).toBe('reconnecting');
  taken({ data: JSON.stringify(SNAPSHOT) });
  expect(states.at(-1)).toBe('reconnecting');
});

it('dials again when it reads garbage', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  begin();
  FakeSocket.last.onmessage!({ data: 'garbage' });
  expect(states.at(-1)).toBe('reconnecting');
  expect(warn).toHaveBeenCalledOnce();
});

it('takes a silent line for dead, and only then', () => {
  begin();
  FakeSocket.last.say(SNAPSHOT);
  for (let i = 0; i < 10; i++) {
    vi.advanceTimersByTime(6_000);
    FakeSocket.last.say(CHANGE);
  }
  expect(states.at(-1)).toBe('live');
  vi.advanceTimersByTime(9_000);
  expect(states).toContain('reconnecting');
});

it('gives up a dial that nobody answers', () => {
  begin();
  FakeSocket.last.readyState = 0;
  vi.advanceTimersByTime(12_000);
  expect(states).toContain('reconnecting');
});

it('waits longer for the snapshot of a large fleet on a slow line', () => {
  begin();
  vi.advanceTimersByTime(100_000);
  expect(states).not.toContain('reconnecting');
  vi.advanceTimersByTime(30_000);
  expect(states).toContain('reconnecting');
});

it('dials at once when asked', () => {
  const feed = begin();
  FakeSocket.last.onclose!({ code: 1006 });
  feed.now();
  expect(FakeSocket.all).toHaveLength(2);
  feed.now();
  expect(FakeSocket.all).toHaveLength(2);
  vi.advanceTimersByTime(3000);
  expect(FakeSocket.all).toHaveLength(2);
});

it('says that it is not welcome where the collector takes it back or lets it not in', () => {
  begin();
  FakeSocket.last.onclose!({ code: 1006 });
  expect(nUnwelcome).toBe(1);
  vi.advanceTimersByTime(2000);
  FakeSocket.last.onopen!();
  FakeSocket.last.say(SNAPSHOT);
  const { onclose } = FakeSocket.last;
  onclose!({ code: 1006 });
  expect(nUnwelcome).toBe(1);
  vi.advanceTimersByTime(4000);
  FakeSocket.last.onopen!();
  FakeSocket.last.onclose!({ code: 1008 });
  expect(nUnwelcome).toBe(2);
});

it('is closed for good once it has ended, and dials no more', () => {
  const feed = begin();
  FakeSocket.last.say(SNAPSHOT);
  const socket = FakeSocket.last;
  feed.end();
  expect(socket.closed).toBe(true);
  expect(socket.onclose).toBeNull();
  feed.now();
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(1);
});
