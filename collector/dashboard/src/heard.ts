// What the feed said since one last looked: for those who ask by REST and must know when to ask anew.
import type { Change } from './feed/contract.ts';

interface Feed {
  fleet: object | null;
  changes: readonly Change[];
}

export class Heard {
  #last: Change | undefined;
  #fleet: object | null;

  constructor(
    feed: Feed,
    readonly concerns: (change: Change) => boolean,
  ) {
    this.#last = feed.changes.at(-1);
    this.#fleet = feed.fleet;
  }

  /** Whether something of concern happened since this was asked last, or may have. */
  news(feed: Feed): boolean {
    const said = this.since(feed);
    return said === null || said.length > 0;
  }

  /** What of concern was said since this was asked last; null where the feed began anew, and may have skipped some. */
  since(feed: Feed): Change[] | null {
    const isNew = feed.fleet !== this.#fleet;
    const since = this.#last ? feed.changes.lastIndexOf(this.#last) + 1 : 0;
    this.#fleet = feed.fleet;
    this.#last = feed.changes.at(-1);
    return isNew ? null : feed.changes.slice(since).filter(this.concerns);
  }
}
