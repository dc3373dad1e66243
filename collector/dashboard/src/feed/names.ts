// Which models a service has, where the feed may not have named them: a service that is listed for the
// first time, or many of whose models changed at once, comes whole in one change, and its short form only
// counts them.
import { at, get, getAll } from './api.ts';
import type { Change, FleetModel, ServiceDetail, ServiceSummary } from './contract.ts';
import { setNames, type Fleet } from './fold.ts';

/** More services than this, and all models are asked for at once. */
const MANY = 20;
const PAUSE_MS = { one: 100, many: 2000 };
/** Whoever is left out is counted, not named. */
const WAITING_MOST = 20_000;
const MODELS_MOST = 10_000;

export type NamesOf = Map<string, string[]>;

export class Names {
  #waiting = new Set<string>();
  #isAsking = false;

  constructor(
    readonly fleet: () => Fleet | null,
    /** Of these services; whom the answer leaves out is not known. */
    readonly ask: (serviceIds: readonly string[]) => Promise<NamesOf>,
    /** Told when names have come. */
    readonly named: () => void,
  ) {}

  /** After a change was folded; `before` is the service as it was until then. */
  look(fleet: Fleet, change: Change, before: ServiceSummary | undefined): void {
    const service = fleet.services.get(change.service_id ?? '');
    if (!service || !change.type.startsWith('service.')) return;
    if (isNamed(fleet, service) && !mayHideModels(change, service, before)) return;
    if (this.#waiting.size >= WAITING_MOST) return;
    this.#waiting.add(service.id);
    this.goOn();
  }

  /** Asks for those that wait, unless nobody looks; to be called when somebody does again. */
  goOn(): void {
    if (!this.#isAsking) void this.#askAll();
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.size > 0 && !document.hidden) {
      const isMany = this.#waiting.size > MANY;
      const ids = [...this.#waiting].slice(0, isMany ? WAITING_MOST : 1);
      for (const id of ids) this.#waiting.delete(id);
      await this.#askFor(ids);
      await new Promise((done) => setTimeout(done, PAUSE_MS[isMany ? 'many' : 'one']));
    }
    this.#isAsking = false;
  }

  async #askFor(ids: readonly string[]): Promise<void> {
    const fleet = this.fleet();
    const before = ids.map((id) => fleet?.namesOf.get(id));
    // Somebody who does not answer is asked again after the next change of the service.
    const answer = await this.ask(ids).catch(() => null);
    // A fleet that began anew meanwhile came with all names.
    if (!answer || !fleet || fleet !== this.fleet()) return;
    ids.forEach((id, i) => {
      const names = answer.get(id);
      if (!names || !fleet.services.has(id)) return;
      // The feed named one meanwhile, and the answer may be older than that.
      if (fleet.namesOf.get(id) !== before[i]) this.#waiting.add(id);
      else setNames(fleet, id, [...new Set(names)]);
    });
    this.named();
  }
}

/** Whether as many names are known as it has models, all that are warm among them. */
function isNamed(fleet: Fleet, { id, n_models, warm }: ServiceSummary): boolean {
  const names = fleet.namesOf.get(id) ?? [];
  return names.length === n_models && warm.every((name) => names.includes(name));
}

/** Some of its models may have taken the places of others: then as many as before are listed. */
function mayHideModels(
  { type }: Change,
  now: ServiceSummary,
  before: ServiceSummary | undefined,
): boolean {
  if (!before || (now.n_models === 0 && before.n_models === 0)) return false;
  return (
    type === 'service.registered' || (type === 'service.changed' && now.status === before.status)
  );
}

/** From the collector: one service by itself, more of them out of the list of all models. */
export async function askNames(ids: readonly string[]): Promise<NamesOf> {
  if (ids.length === 1) {
    const { models } = await get<ServiceDetail>(at('services', ids[0]!));
    return new Map([[ids[0]!, models.map(({ name }) => name)]]);
  }
  const { entries, more } = await getAll<FleetModel>('models', 'models', { most: MODELS_MOST });
  if (more) return new Map();
  const names: NamesOf = new Map(ids.map((id) => [id, []]));
  for (const { name, services } of entries) {
    for (const id of services) names.get(id)?.push(name);
  }
  return names;
}
