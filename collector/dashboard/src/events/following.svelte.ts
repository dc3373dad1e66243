// The changes of one filter, kept up: what the collector still has of the past, what comes live, and what
// was missed while the feed was away. The reader may hold the list, and is told how much is new.
import type { Change } from '../feed/contract.ts';
import type { FleetView } from '../fleet.svelte.ts';
import { lastUpTo, since, type Past, type Place } from './backfill.ts';
import { EventLog, MORE_HELD, MOST, STEP } from './log.ts';
import { askedOf, passes, type Wanted } from './wanted.ts';

type Source = Pick<FleetView, 'fleet' | 'changes'>;

export class Following {
  /** Oldest first. */
  changes = $state.raw<readonly Change[]>([]);
  /** What stands before the oldest of them; not known while it is asked. */
  before = $state<Past['before'] | null>(null);
  error = $state<string | null>(null);
  /** While the reader holds the list: the last change that it shows. */
  held = $state.raw<Place | null>(null);
  /** This run of the collector. */
  epoch = $state<string | null>(null);
  /** As many are held at the most. */
  most = $state(STEP);
  asking = $state(false);
  #log = new EventLog();
  #known: Place | null = null;
  #last: Change | undefined;
  #ended = new AbortController();

  constructor(
    readonly view: Source,
    readonly wanted: Wanted,
  ) {
    this.follow();
  }

  /** Takes what came since the last call; to be called whenever the feed said something. */
  follow(): void {
    const { fleet, changes } = this.view;
    if (!fleet) return;
    const known = this.#known;
    const now = { epoch: fleet.epoch, seq: fleet.seq };
    const first = this.#last === undefined ? 0 : changes.lastIndexOf(this.#last) + 1;
    const fresh = changes.slice(first);
    this.#last = changes.at(-1);
    this.#known = now;
    this.epoch = now.epoch;
    this.#take(fresh.filter((change) => passes(this.wanted, change)));
    if (known?.epoch !== now.epoch) {
      void this.#ask(() => this.#lookBack(now, known === null));
      return;
    }
    const n_seen = fresh.filter(
      (change) => change.epoch === now.epoch && change.seq > known.seq,
    ).length;
    if (n_seen < now.seq - known.seq) void this.#ask(() => this.#catchUp(known));
  }

  /** Asks for the past again, after an error. */
  again(): void {
    const now = this.#known;
    if (now) void this.#ask(() => this.#lookBack(now, this.before === null));
  }

  get isFurther(): boolean {
    return this.before === 'more' && this.most < MOST;
  }

  /** Looks further back, as far as this page goes. */
  further(): void {
    const now = this.#known;
    if (!now || !this.isFurther || this.asking) return;
    this.most = Math.min(MOST, this.most + STEP);
    void this.#ask(() => this.#lookBack(now, true));
  }

  hold(): void {
    const last = this.changes.at(-1);
    this.held ??= last ? { epoch: last.epoch, seq: last.seq } : null;
  }

  release(): void {
    this.held = null;
    this.#take([]);
  }

  /** What is shown, and what waits above it. */
  parted(): { shown: readonly Change[]; waiting: readonly Change[] } {
    const { held, changes } = this;
    if (!held) return { shown: changes, waiting: [] };
    const n_waiting = changes.filter((change) => this.#log.isAfter(change, held)).length;
    const n_shown = changes.length - n_waiting;
    return { shown: changes.slice(0, n_shown), waiting: changes.slice(n_shown) };
  }

  end(): void {
    this.#ended.abort();
  }

  #take(changes: readonly Change[]): void {
    this.#log.take(changes, this.most + (this.held ? MORE_HELD : 0));
    this.changes = this.#log.changes;
  }

  async #lookBack(now: Place, isFirst: boolean): Promise<void> {
    const past = await lastUpTo(now, askedOf(this.wanted), this.most, this.#ended.signal);
    if (isFirst) this.before = past.before;
    this.#take(past.changes.filter((change) => passes(this.wanted, change)));
  }

  async #catchUp(known: Place): Promise<void> {
    const missed = await since(known, askedOf(this.wanted), this.most, this.#ended.signal);
    this.#take(missed.filter((change) => passes(this.wanted, change)));
  }

  async #ask(work: () => Promise<void>): Promise<void> {
    this.asking = true;
    try {
      await work();
      this.error = null;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    } finally {
      this.asking = false;
    }
  }
}
