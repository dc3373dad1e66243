// The full view of the services that somebody looks at. The live feed has only what a table of the fleet
// needs of each; URL, role and reasons are asked one by one, and again after the feed said that one changed.
import { ApiError, at, get } from '../feed/api.ts';
import type { ServiceDetail } from '../feed/contract.ts';

/** Requests at once. */
const AT_ONCE = 4;
/** Kept at most; those that were looked at longest ago go first. */
const KEPT_MOST = 400;
const AGAIN_MS = 3000;

type Ask = (id: string, signal: AbortSignal) => Promise<ServiceDetail>;
const byRest: Ask = (id, signal) => get<ServiceDetail>(at('services', id), { signal });

export class Details {
  /** Moves when there is more to tell. */
  version = $state(0);
  /** Why the last question got no answer; null once one did. */
  error = $state<string | null>(null);
  #kept = new Map<string, ServiceDetail>();
  #old = new Set<string>();
  #none = new Set<string>();
  #asking = new Set<string>();
  #wanted: readonly string[] = [];
  #again: ReturnType<typeof setTimeout> | undefined;
  #ended = new AbortController();

  constructor(readonly ask: Ask = byRest) {}

  get(id: string): ServiceDetail | null {
    return this.#kept.get(id) ?? null;
  }

  /** These are looked at now; those that were before need not be asked any more. */
  want(ids: readonly string[]): void {
    this.#wanted = ids;
    this.#none = new Set(ids.filter((id) => this.#none.has(id)));
    for (const id of ids) this.#touch(id);
    this.#next();
  }

  /** What is kept of it stays until there is a newer answer. */
  changed(id: string): void {
    if (this.#kept.has(id) || this.#asking.has(id)) this.#old.add(id);
    this.#none.delete(id);
    this.#next();
  }

  /** It is in the register no more. */
  gone(id: string): void {
    this.#kept.delete(id);
    this.#old.delete(id);
    this.#none.delete(id);
  }

  /** The feed began anew: anything may have changed. */
  renew(): void {
    for (const id of this.#kept.keys()) this.#old.add(id);
    this.#none.clear();
    this.#next();
  }

  /** An answer that came some other way. */
  put(service: ServiceDetail): void {
    this.#old.delete(service.id);
    this.#keep(service);
  }

  end(): void {
    clearTimeout(this.#again);
    this.#ended.abort();
  }

  #keep(service: ServiceDetail): void {
    this.#kept.set(service.id, service);
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MOST) break;
      this.#kept.delete(id);
      this.#old.delete(id);
    }
    this.version++;
  }

  #touch(id: string): void {
    const known = this.#kept.get(id);
    if (!known) return;
    this.#kept.delete(id);
    this.#kept.set(id, known);
  }

  #next(): void {
    if (this.#ended.signal.aborted || this.#again !== undefined) return;
    for (const id of this.#wanted) {
      if (this.#asking.size >= AT_ONCE) return;
      const fresh = this.#none.has(id) || (this.#kept.has(id) && !this.#old.has(id));
      if (!fresh && !this.#asking.has(id)) void this.#one(id);
    }
  }

  async #one(id: string): Promise<void> {
    this.#asking.add(id);
    this.#old.delete(id);
    try {
      // Where it changed while it was asked, it stays old.
      this.#keep(await this.ask(id, this.#ended.signal));
      this.error = null;
    } catch (error) {
      this.#failed(id, error);
    } finally {
      this.#asking.delete(id);
      this.#next();
    }
  }

  #failed(id: string, error: unknown): void {
    if (this.#ended.signal.aborted) return;
    if (error instanceof ApiError && error.status === 404) {
      this.#none.add(id);
      this.#kept.delete(id);
      this.#old.delete(id);
      this.version++;
      return;
    }
    this.error = error instanceof Error ? error.message : String(error);
    if (this.#kept.has(id)) this.#old.add(id);
    else this.#old.delete(id);
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#next();
    }, AGAIN_MS);
  }
}
