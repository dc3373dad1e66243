// Which models a service has, where the feed has not named them: a service that is listed for the first
// time, or many of whose models changed at once, comes whole in one change, and its short form only
// counts them. Asked for one service at a time.
import type { ServiceSummary } from './contract.ts';
import { setNames, type Fleet } from './fold.ts';

const PAUSE_MS = 100;
/** More wait while a whole fleet arrives; whoever is left out is counted, not named. */
const WAITING_MOST = 2000;

export class Names {
  #waiting = new Set<string>();
  #isAsking = false;

  constructor(
    readonly fleet: () => Fleet | null,
    readonly ask: (serviceId: string) => Promise<string[]>,
    /** Told when the names of a service of this host have come. */
    readonly named: (hostId: string | null) => void,
  ) {}

  /** After a change of it. */
  look(fleet: Fleet, service: ServiceSummary): void {
    if ((fleet.namesOf.get(service.id)?.length ?? 0) === service.n_models) return;
    if (this.#waiting.size >= WAITING_MOST) return;
    this.#waiting.add(service.id);
    if (!this.#isAsking) void this.#askAll();
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    for (const id of this.#waiting) {
      this.#waiting.delete(id);
      // Somebody who does not answer is asked again after the next change of the service.
      const names = await this.ask(id).catch(() => null);
      const fleet = this.fleet();
      const service = fleet?.services.get(id);
      if (fleet && service && names) {
        setNames(fleet, id, [...new Set(names)]);
        this.named(service.host_id);
      }
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
    this.#isAsking = false;
  }
}
