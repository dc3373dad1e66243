// All that the page of one host asks the collector, and when it asks again.
import { Asked } from '../asked.svelte.ts';
import { at, get, getAll } from '../feed/api.ts';
import type { HostDetail, ServiceDetail, Session, StatusChange } from '../feed/contract.ts';

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

  constructor(id: string) {
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
  }

  /** The feed said something about the host. */
  soon(): void {
    for (const one of [this.host, this.services, this.sessions, this.history]) one.soon();
  }

  end(): void {
    for (const one of [this.host, this.services, this.sessions, this.history]) one.end();
  }
}
