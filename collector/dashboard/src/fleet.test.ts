import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { aChange, aHost, anAlert, aSnapshot } from './feed/examples.ts';
import type { Change } from './feed/contract.ts';
import { FleetView } from './fleet.svelte.ts';

let socket: FakeSocket;
class FakeSocket {
  static readonly OPEN = 1;
  readyState = FakeSocket.OPEN;
  onmessage: ((event: { data: string }) => void) | null = null;
  constructor() {
    socket = this;
  }
  send = () => {};
  close = () => {};
  say = (frame: object) => this.onmessage?.({ data: JSON.stringify(frame) });
}

let look: () => void;
const page = { hidden: false, baseURI: 'http://collector/', addEventListener: vi.fn() };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('window', { addEventListener: () => {} });
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', page);
  page.hidden = false;
  page.addEventListener.mockImplementation((_: string, told: () => void) => (look = told));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

let seq: number;
function begin(): FleetView {
  const view = new FleetView();
  seq = 1;
  socket.say(aSnapshot({ hosts: [aHost('a')] }));
  return view;
}
const host = () => aHost('a');
function change(type = 'host.changed', data: Change['data'] = host()): void {
  socket.say({ type: 'change', change: aChange(++seq, type, { host_id: 'a', data }) });
}

it('orders at most once a second, and not while nobody looks', () => {
  const view = begin();
  const first = view.ordering;
  change();
  change();
  vi.advanceTimersByTime(1000);
  expect(view.ordering).toBe(first + 1);
  page.hidden = true;
  look();
  change();
  vi.advanceTimersByTime(60_000);
  expect(view.ordering).toBe(first + 1);
  page.hidden = false;
  look();
  vi.advanceTimersByTime(0);
  expect(view.ordering).toBe(first + 2);
  look();
  vi.advanceTimersByTime(5000);
  expect(view.ordering).toBe(first + 2);
});

it('tells of alerts while nobody looks: the tab says how many are open', () => {
  const view = begin();
  const first = view.ordering;
  page.hidden = true;
  change('alert.raised', anAlert('x'));
  vi.advanceTimersByTime(1000);
  expect(view.ordering).toBe(first + 1);
  change();
  vi.advanceTimersByTime(5000);
  expect(view.ordering).toBe(first + 1);
});

it('tells of changes before they are forgotten', () => {
  const view = begin();
  const first = view.ordering;
  page.hidden = true;
  for (let i = 0; i < 499; i++) change();
  vi.advanceTimersByTime(5000);
  expect(view.ordering).toBe(first);
  change();
  vi.advanceTimersByTime(1000);
  expect(view.ordering).toBe(first + 1);
});
