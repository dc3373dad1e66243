// The one place where the feed meets the page: frames go into plain maps and flat columns, and once
// per animation frame a version number moves, which is all that Svelte watches of ten thousand hosts.
import { FeedConnection, feedUrl, type Connection } from './feed/connection.ts';
import {
  WATCH_LIMIT,
  type Change,
  type Frame,
  type Samples,
  type Snapshot,
} from './feed/contract.ts';
import { fold, start, type Fleet } from './feed/fold.ts';
import { Live } from './feed/live.ts';
import { askNames, Names } from './feed/names.ts';
import { rowOf, type Row } from './fleet/table/row.ts';

/** Order and figures follow changes this often at most. */
const ORDER_MS = 1000;
const WATCH_MS = 150;
/** Longer than this without the feed, and its numbers are no longer shown. */
const OUTDATED_MS = 10_000;
/** As many changes are kept for those who show them. */
const CHANGES_MOST = 1000;
/** While nobody looks, as many come before anybody is told, so that none goes before it was heard. */
const UNHEARD_MOST = CHANGES_MOST / 2;

export class FleetView {
  readonly live = new Live();
  fleet: Fleet | null = null;
  /** The last changes since this page is open, oldest first. */
  readonly changes: Change[] = [];

  /** Moves when anything visible may have changed, at most once a frame. */
  version = $state(0);
  /** Moves when the registry said something, at most once a second. */
  ordering = $state(0);
  /** Moves when the registry said something about the selected host. */
  selectedVersion = $state(0);
  connection = $state.raw<Connection>({ kind: 'connecting' });
  /** False while the numbers are older than anyone should believe. */
  fresh = $state(false);
  /** When the feed was last lost, on the clock of this browser. */
  lost_ms = $state(0);
  /** The collector's clock, in ms since 1970, once a second. */
  now = $state(Date.now());

  #clockAhead_ms = 0;
  #framePending = false;
  #ordered_ms = 0;
  /** When `ordering` moved last: how many changes came since, and how many alerts were open. */
  #unheard = 0;
  #alertsThen = 0;
  /** Something came that waits for somebody to look. */
  #isOrderDue = false;
  #orderTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setTimeout> | undefined;
  #visible: readonly string[] = [];
  #visibleServices: readonly string[] = [];
  #watching = '';
  #selected: string | null = null;
  #rows = new Map<string, Row>();
  #names = new Names(
    () => this.fleet,
    askNames,
    () => {
      this.#orderSoon();
      this.#draw();
    },
  );
  #feed: FeedConnection;

  #tickTimer: ReturnType<typeof setInterval>;
  #lookedAway = (): void => {
    this.#sendWatch();
    if (document.hidden) return;
    this.#names.goOn();
    if (this.#isOrderDue) this.#orderSoon();
  };

  /** `unwelcome` is told where the collector may have ended the reader's right to the feed. */
  constructor(unwelcome: () => void = () => {}) {
    this.#feed = new FeedConnection(feedUrl(document.baseURI), {
      frame: (frame) => this.#take(frame),
      connection: (connection) => this.#connected(connection),
      unwelcome,
    });
    document.addEventListener('visibilitychange', this.#lookedAway);
    this.#tickTimer = setInterval(() => this.#tick(), 1000);
  }

  /** Hears no more, for good; whoever made it calls this when it goes. */
  end(): void {
    this.#feed.end();
    document.removeEventListener('visibilitychange', this.#lookedAway);
    clearInterval(this.#tickTimer);
    clearTimeout(this.#watchTimer);
    clearTimeout(this.#orderTimer);
  }

  reconnectNow(): void {
    this.#feed.now();
  }

  /** The hosts and services that are on the screen, so that their samples come. */
  show(hosts: readonly string[], services: readonly string[] = []): void {
    this.#visible = hosts;
    this.#visibleServices = services;
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => this.#sendWatch(), WATCH_MS);
  }

  select(id: string | null): void {
    if (id === this.#selected) return;
    this.#selected = id;
    this.#sendWatch();
  }

  /** The row of a host; the same object as last time when nothing in it has changed. */
  row(id: string): Row | null {
    if (!this.fleet) return null;
    const row = rowOf(this.fleet, this.live, id, this.#rows.get(id));
    if (row) this.#rows.set(id, row);
    return row;
  }

  #take(frame: Frame): 'fine' | 'again' {
    switch (frame.type) {
      case 'snapshot':
        this.#begin(frame);
        return 'fine';
      case 'change':
        if (!this.#fold(frame.change)) return 'again';
        break;
      case 'samples':
        this.#sampled(frame);
        break;
      case 'fleet':
        if (!this.fleet) break;
        if (frame.counts) this.fleet.counts = frame.counts;
        if (this.live.columns(this.fleet, frame)) this.#orderSoon();
        break;
    }
    this.#draw();
    return 'fine';
  }

  #begin(snapshot: Snapshot): void {
    this.fleet = start(snapshot);
    this.live.reset(this.fleet);
    this.#rows.clear();
    const at_ms = Date.parse(snapshot.at);
    if (!Number.isNaN(at_ms)) this.#clockAhead_ms = at_ms - Date.now();
    this.now = Date.now() + this.#clockAhead_ms;
    this.version++;
    this.#order();
    this.selectedVersion++;
  }

  /** False where the change does not follow. */
  #fold(change: Change): boolean {
    if (!this.fleet) return false;
    const before = this.fleet.services.get(change.service_id ?? '');
    const folded = fold(this.fleet, change);
    if (folded.kind === 'gap') return false;
    for (const id of folded.hosts) this.#changed(id);
    this.#names.look(this.fleet, change, before);
    this.changes.push(change);
    this.#unheard++;
    if (this.changes.length > CHANGES_MOST) this.changes.shift();
    this.#orderSoon();
    return true;
  }

  #changed(id: string): void {
    const host = this.fleet?.hosts.get(id);
    if (host) this.live.write(host);
    else {
      this.live.remove(id);
      this.#rows.delete(id);
    }
    if (id === this.#selected) this.selectedVersion++;
  }

  #sampled(frame: Samples): void {
    if (!this.fleet) return;
    for (const sample of frame.samples) this.live.sample(this.fleet, sample);
    for (const sample of frame.services ?? []) {
      if (this.fleet.services.has(sample.id)) this.live.serviceSamples.set(sample.id, sample);
    }
  }

  #connected(connection: Connection): void {
    if (this.connection.kind === 'live' && connection.kind !== 'live') {
      this.lost_ms = this.#feed.heard_ms;
    }
    this.connection = connection;
    if (connection.kind === 'live') this.fresh = true;
  }

  #tick(): void {
    this.now = Date.now() + this.#clockAhead_ms;
    if (this.connection.kind !== 'live' && Date.now() - this.lost_ms > OUTDATED_MS) {
      this.fresh = false;
    }
  }

  #draw(): void {
    if (this.#framePending) return;
    this.#framePending = true;
    requestAnimationFrame(() => {
      this.#framePending = false;
      this.version++;
    });
  }

  #orderSoon(): void {
    this.#isOrderDue = true;
    // The tab says how many alerts are open, so that is told at all times.
    const isAlert = this.fleet?.alerts.size !== this.#alertsThen;
    if (document.hidden && !isAlert && this.#unheard < UNHEARD_MOST) return;
    const wait_ms = Math.max(0, this.#ordered_ms + ORDER_MS - Date.now());
    this.#orderTimer ??= setTimeout(() => this.#order(), wait_ms);
  }

  #order(): void {
    clearTimeout(this.#orderTimer);
    this.#orderTimer = undefined;
    this.#ordered_ms = Date.now();
    this.#isOrderDue = false;
    this.#unheard = 0;
    this.#alertsThen = this.fleet?.alerts.size ?? 0;
    this.ordering++;
  }

  #sendWatch(): void {
    const hosts = this.#watched([this.#selected, ...this.#visible], this.fleet?.hosts);
    const services = this.#watched(this.#visibleServices, this.fleet?.services);
    this.live.keep(hosts, services);
    for (const id of this.#rows.keys()) if (!hosts.has(id)) this.#rows.delete(id);
    const key = [...hosts, '', ...services].join(' ');
    if (key === this.#watching) return;
    this.#watching = key;
    const [samples_per_second, type] = [1, 'watch'] as const;
    this.#feed.watch({ type, hosts: [...hosts], services: [...services], samples_per_second });
  }

  #watched(wanted: readonly (string | null)[], known?: ReadonlyMap<string, unknown>): Set<string> {
    if (document.hidden || !known) return new Set();
    const there = wanted.filter((id) => id !== null && known.has(id)) as string[];
    return new Set(there.slice(0, WATCH_LIMIT));
  }
}
