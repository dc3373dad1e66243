// Who stands at the door: agents whose keys wait for an admin. One list for the navigation, which counts
// them, and for the view, which shows them.
import { createContext, untrack } from 'svelte';
import { Asked } from '../asked.svelte.ts';
import { isKeyChange, type Agent } from '../feed/access.ts';
import { getAll } from '../feed/api.ts';
import { Heard } from '../heard.ts';

/** The collector lets no more wait than a person can look at. */
const MOST = 1000;
const REFRESH_MS = 30_000;

type Feed = ConstructorParameters<typeof Heard>[0];

export class Door {
  asked = $state.raw<Asked<{ entries: Agent[]; more: boolean }> | null>(null);
  /** Moves when the feed told of a key. */
  moved = $state(0);
  #heard: Heard;

  constructor(readonly feed: Feed) {
    this.#heard = untrack(() => new Heard(feed, isKeyChange));
  }

  /** Whoever came first stands first, so that nobody moves when somebody comes. */
  readonly agents: readonly Agent[] = $derived.by(() => {
    const agents = this.asked?.value?.entries ?? [];
    return agents.toSorted((a, b) => Date.parse(a.first_seen_at) - Date.parse(b.first_seen_at));
  });

  get n(): number {
    return this.agents.length;
  }

  /** Asks who waits, from now on. */
  open(): void {
    this.asked ??= new Asked(
      (signal) =>
        getAll<Agent>('agents', 'agents', { query: { state: 'pending' }, most: MOST, signal }),
      REFRESH_MS,
    );
  }

  /** Looks at what the feed said since. */
  hear(): void {
    if (!this.#heard.news(this.feed)) return;
    this.moved++;
    this.asked?.soon();
  }

  /** Asks no more. */
  end(): void {
    this.asked?.end();
    this.asked = null;
  }
}

export const [useDoor, provideDoor] = createContext<Door>();
