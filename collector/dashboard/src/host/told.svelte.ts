// All that the page of one host asks the collector, and when it asks again.
import { Asked } from '../asked.svelte.ts';
import { at, get, getAll } from '../feed/api.ts';
import type { Change, HostDetail, ServiceDetail, Session, StatusChange } from '../feed/contract.ts';
import { Heard } from '../heard.ts';

type Feed = ConstructorParameters<typeof Heard>[0];

/** What only the full view tells (cores, disks, processes) moves as often. */
const DETAIL_MS = 5000;
const PAST_MS = 60_000;
const SERVICES_MOST = 200;
const PAST_MOST = 1000;

export class Told {
  readonly host: Asked<HostDetail>;
  readonly services: Asked<{ entries: ServiceDetail[]; more: boolean }>;
  readonly sessions: Asked<{ entries: Session[]; more: boolean }>;
  readonly history: Asked<{ entries: StatusChange[]; more: boolean }>;

  readonly #heard: readonly [Asked<unknown>, Heard][];

  constructor(
    readonly id: string,
    feed: Feed,
  ) {
    const path = at('hosts', id);
    this.host = new Asked((signal) => get<HostDetail>(path, { signal }), DETAIL_MS);
    this.services = new Asked((signal) =>
      getAll<ServiceDetail>('services', 'services', {
        query: { host: id },
        most: SERVICES_MOST,
        signal,
      }),
    );
    const past = <T>(key: string) =>
      new Asked((signal) => getAll<T>(`${path}/${key}`, key, { most: PAST_MOST, signal }), PAST_MS);
    this.sessions = past<Session>('sessions');
    this.history = past<StatusChange>('history');
    const heard = (types: RegExp) =>
      new Heard(feed, (change: Change) => change.host_id === id && types.test(change.type));
    this.#heard = [
      [this.host, heard(/^(host|gpu|session)\./)],
      [this.services, heard(/^(service|model)\./)],
      [this.sessions, heard(/^session\./)],
      [this.history, heard(/^host\.(registered|online|degraded|stale|offline|recovered)$/)],
    ];
  }

  /** Asks anew for what is another by what the feed said. */
  follow(feed: Feed): void {
    for (const [asked, heard] of this.#heard) if (heard.news(feed)) asked.soon();
  }

  end(): void {
    for (const [asked] of this.#heard) asked.end();
  }
}
