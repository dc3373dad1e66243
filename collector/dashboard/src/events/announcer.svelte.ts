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

  heard(changes: readonly Change[], names: Names): void {
    this.#changes = changes;
    this.#names = names;
    const newest = changes.at(-1);
    if (this.#last === undefined) {
      this.#last = newest;
      return;
    }
    if (newest === this.#last || this.#timer !== undefined) return;
    const wait_ms = Math.max(0, this.#told_ms + PAUSE_MS - Date.now());
    this.#timer = setTimeout(() => this.#tell(), wait_ms);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    this.#timer = undefined;
    const fresh = this.#changes.slice(this.#changes.lastIndexOf(this.#last!) + 1);
    this.#last = this.#changes.at(-1);
    this.#told_ms = Date.now();
    if (fresh.length > 0 && this.#names) this.text = sentence(fresh, this.#names);
  }
}

export function sentence(fresh: readonly Change[], names: Names): string {
  const trouble = fresh.filter((change) => toneOf(change) === 'bad');
  const worst = trouble.at(-1) ?? fresh.at(-1)!;
  const whom = subjectsOf(worst, names)[0]?.name;
  const said = whom ? `${titleOf(worst)}, ${shown(whom)}` : titleOf(worst);
  if (fresh.length === 1) return said;
  return `${plural(fresh.length, 'new event')}. ${trouble.length > 0 ? 'Worst' : 'Last'}: ${said}`;
}
