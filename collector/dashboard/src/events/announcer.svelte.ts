// What a screen reader is told of the list: now and then one sentence of all that is new, so that a busy
// fleet does not talk without end.
import { shown } from '../escape.ts';
import type { Change } from '../feed/contract.ts';
import { plural } from '../format.ts';
import { titleOf, toneOf } from './kinds.ts';
import { subjectsOf, type Names } from './subject.ts';

const PAUSE_MS = 15_000;

export class Announcer {
  text = $state('');
  #last: Change | undefined;
  #told_ms = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changes: readonly Change[] = [];
  #names: Names | null = null;

  /** Another list: what is in it is no news. */
  anew(): void {
    this.end();
    this.#last = undefined;
  }

  heard(changes: readonly Change[], names: Names): void {
    this.#changes = changes;
    this.#names = names;
    const newest = changes.at(-1);
    if (this.#last === undefined) {
      this.#last = newest;
      return;
    }
    if (newest === undefined || isKnown(newest, this.#last)) return;
    if (this.#timer !== undefined) return;
    const wait_ms = Math.max(0, this.#told_ms + PAUSE_MS - Date.now());
    this.#timer = setTimeout(() => this.#tell(), wait_ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    this.#timer = undefined;
    const last = this.#last;
    const told = last ? this.#changes.findLastIndex((change) => isKnown(change, last)) : -1;
    const fresh = this.#changes.slice(told + 1);
    this.#last = this.#changes.at(-1);
    this.#told_ms = Date.now();
    if (fresh.length > 0 && this.#names) this.text = sentence(fresh, this.#names);
  }
}

/** Whether a change is that one, or came before it. */
const isKnown = (change: Change, last: Change): boolean =>
  change.epoch === last.epoch && change.seq <= last.seq;

export function sentence(fresh: readonly Change[], names: Names): string {
  const trouble = fresh.filter((change) => toneOf(change) === 'bad');
  const worst = trouble.at(-1) ?? fresh.at(-1)!;
  const whom = subjectsOf(worst, names)[0]?.name;
  const said = whom ? `${titleOf(worst)}, ${shown(whom)}` : titleOf(worst);
  if (fresh.length === 1) return said;
  return `${plural(fresh.length, 'new event')}. ${trouble.length > 0 ? 'Worst' : 'Last'}: ${said}`;
}
