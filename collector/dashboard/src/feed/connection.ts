// One WebSocket to the collector, dialled again for ever. It knows the socket, the deadlines and the
// backoff; what a frame means is told to it by the one who takes it: `again` = the feed has a gap.
import { next, FIRST, type Backoff } from './backoff.ts';
import type { Frame, Watch } from './contract.ts';
import { decode } from './decode.ts';

export type Connection =
  { kind: 'connecting' } | { kind: 'live' } | { kind: 'reconnecting'; at_ms: number };

/** The collector sends a fleet frame every 2 s; this long without any frame and the line is dead. */
const SILENCE_MS = 7_000;
const DIAL_MS = 10_000;
/** How long the first snapshot may take: that of a large fleet is megabytes, on whatever line. */
const SNAPSHOT_MS = 120_000;
/** A connection that lived this long ends the backoff. */
const SETTLED_MS = 5_000;

export interface Taker {
  frame(frame: Frame): 'fine' | 'again';
  connection(connection: Connection): void;
  /** The collector took the connection back, or did not even give it: perhaps the reader may not any more. */
  unwelcome?(): void;
}

/** The close code by which the collector says that the right to the feed has ended (RFC 6455, 7.4.1). */
const POLICY_VIOLATION = 1008;

export class FeedConnection {
  #socket: WebSocket | null = null;
  #backoff: Backoff = FIRST;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #opened_ms = 0;
  #heard_ms = 0;
  #live = false;
  #watch: Watch | null = null;
  #isEnded = false;
  #silence: ReturnType<typeof setInterval>;
  #online = (): void => this.now();

  constructor(
    readonly url: string,
    readonly taker: Taker,
  ) {
    this.#silence = setInterval(() => this.#lookForSilence(), 1000);
    window.addEventListener('online', this.#online);
    this.#dial();
  }

  /** When something was heard last, on the clock of this browser. */
  get heard_ms(): number {
    return this.#heard_ms;
  }

  /** Dials at once instead of at the end of the wait. */
  now(): void {
    if (this.#socket === null && !this.#isEnded) this.#dial();
  }

  /** Closes it for good. */
  end(): void {
    this.#isEnded = true;
    clearInterval(this.#silence);
    clearTimeout(this.#timer);
    window.removeEventListener('online', this.#online);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
  }

  /** Replaces what is watched; sent again after each reconnect. */
  watch(watch: Watch): void {
    this.#watch = watch;
    if (this.#live) this.#send(watch);
  }

  #dial(): void {
    clearTimeout(this.#timer);
    this.taker.connection({ kind: 'connecting' });
    this.#opened_ms = this.#heard_ms = Date.now();
    this.#live = false;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(socket, event.data);
    let isOpened = false;
    socket.onopen = () => (isOpened = true);
    socket.onclose = (event) => {
      // Why a handshake failed, a browser does not tell.
      if (!isOpened || event.code === POLICY_VIOLATION) this.taker.unwelcome?.();
      this.#lost(socket);
    };
  }

  #take(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    this.#heard_ms = Date.now();
    let verdict: 'fine' | 'again';
    try {
      const frame = decode(data);
      verdict = frame === null ? 'fine' : this.taker.frame(frame);
      if (frame?.type === 'snapshot') this.#begun();
    } catch (error) {
      console.warn('the feed sent what this page cannot read:', error);
      verdict = 'again';
    }
    if (verdict === 'again') this.#lost(socket);
  }

  #begun(): void {
    if (this.#live) return;
    this.#live = true;
    this.taker.connection({ kind: 'live' });
    if (this.#watch) this.#send(this.#watch);
  }

  #lost(socket: WebSocket): void {
    // Whoever was told may have ended it.
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
    if (this.#live && Date.now() - this.#opened_ms > SETTLED_MS) this.#backoff = FIRST;
    this.#live = false;
    const { wait_ms, backoff } = next(this.#backoff, Math.random());
    this.#backoff = backoff;
    this.taker.connection({ kind: 'reconnecting', at_ms: Date.now() + wait_ms });
    this.#timer = setTimeout(() => this.#dial(), wait_ms);
  }

  /** A dead line raises no event in a browser, so its silence is measured. */
  #lookForSilence(): void {
    if (this.#socket === null) return;
    const socket = this.#socket;
    if (Date.now() - this.#heard_ms > this.#patience_ms(socket)) this.#lost(socket);
  }

  #patience_ms(socket: WebSocket): number {
    if (this.#live) return SILENCE_MS;
    return socket.readyState === WebSocket.OPEN ? SNAPSHOT_MS : DIAL_MS;
  }

  #send(watch: Watch): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(watch));
  }
}

/** The feed's address beside the page, below whatever path the page has. */
export function feedUrl(page: string): string {
  const url = new URL('api/v1/live?view=summary', page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  return url.href;
}
