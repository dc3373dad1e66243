// The order of the hosts that the filters leave. It reads the fold and the live columns and returns
// ids. Ties fall back to the name, then to the id, so that no row jumps without a reason.
import type { HostStatus, HostSummary, Severity } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import type { Live } from '../../feed/live.ts';
import type { Filters } from '../filter/filters.ts';
import { select, serviceText } from '../filter/select.ts';

export type SortKey =
  | 'status'
  | 'name'
  | 'finding'
  | 'cpu'
  | 'memory'
  | 'vram'
  | 'gpu'
  | 'services'
  | 'models'
  | 'seen';
export interface Sort {
  key: SortKey;
  direction: 'ascending' | 'descending';
}

/** The direction that a first click on a column's head gives: the interesting end first. */
export const FIRST_DIRECTION: Record<SortKey, Sort['direction']> = {
  status: 'ascending',
  name: 'ascending',
  finding: 'descending',
  cpu: 'descending',
  memory: 'descending',
  vram: 'descending',
  gpu: 'descending',
  services: 'ascending',
  models: 'descending',
  seen: 'descending',
};

const TROUBLE: Record<HostStatus, number> = {
  offline: 0,
  stale: 1,
  degraded: 2,
  unknown: 3,
  online: 4,
};
const SEVERITY: Record<Severity, number> = { info: 1, warning: 2, critical: 3 };

/** Remembers the last order by name: nearly sorted, ten thousand hosts are sorted in one pass. */
export class Order {
  #rank = new Map<string, number>();
  #before: readonly string[] = [];

  /** The ids in order; the same array as last time where nothing has moved. */
  of(fleet: Fleet, live: Live, filters: Filters): readonly string[] {
    const hosts = this.#byName(select(fleet, filters));
    const ids = sorted(fleet, live, filters.sort, hosts);
    const before = this.#before;
    const same = ids.length === before.length && ids.every((id, i) => id === before[i]);
    if (!same) this.#before = ids;
    return this.#before;
  }

  #byName(hosts: HostSummary[]): HostSummary[] {
    const known: HostSummary[] = [];
    const slots = new Array<HostSummary | undefined>(this.#rank.size);
    for (const host of hosts) {
      const rank = this.#rank.get(host.id);
      if (rank === undefined) known.push(host);
      else slots[rank] = host;
    }
    const ordered = slots.filter((host) => host !== undefined).concat(known);
    ordered.sort((a, b) => compare(nameKey(a), nameKey(b)) || compare(a.id, b.id));
    // Filters come and go; only those of the whole fleet are worth remembering.
    if (ordered.length >= this.#rank.size || known.length > 0) {
      this.#rank = new Map(ordered.map((host, i) => [host.id, i]));
    }
    return ordered;
  }
}

/** From the order by name, which a stable sort keeps among equals. */
function sorted(fleet: Fleet, live: Live, sort: Sort, hosts: HostSummary[]): string[] {
  const ids = hosts.map((host) => host.id);
  if (sort.key === 'name') return sort.direction === 'ascending' ? ids : ids.reverse();
  const keys = hosts.map((host) => key(fleet, live, sort.key, host));
  const sign = sort.direction === 'ascending' ? 1 : -1;
  const places = ids.map((_, i) => i);
  places.sort((a, b) => {
    const [x, y] = [keys[a]!, keys[b]!];
    if (x < y) return -sign;
    if (x > y) return sign;
    // What is not known comes last, whichever way the column is sorted.
    return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  });
  return places.map((i) => ids[i]!);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function key(fleet: Fleet, live: Live, sort: SortKey, host: HostSummary): number | string {
  switch (sort) {
    case 'status':
      return TROUBLE[host.status] ?? TROUBLE.unknown;
    case 'name':
      return nameKey(host);
    case 'finding':
      return host.finding ? SEVERITY[host.finding.severity] : 0;
    case 'services':
      return natural(servicesText(fleet, host.id)) || NaN;
    case 'models':
      return host.warm.length * 1e6 + Math.min(nInstalled(fleet, host.id), 999_999);
    case 'seen':
      return seen(host);
    default:
      return live.get(host.id, sort);
  }
}

/** Hosts that are heard are all "now"; their summary's `last_seen` is only as new as its change. */
function seen(host: HostSummary): number {
  if (host.status === 'online' || host.status === 'degraded') return Number.MAX_SAFE_INTEGER;
  return host.last_seen === null ? NaN : Date.parse(host.last_seen);
}

export function nInstalled(fleet: Fleet, hostId: string): number {
  const services = fleet.servicesOf.get(hostId) ?? [];
  return services.reduce((sum, id) => sum + (fleet.services.get(id)?.n_models ?? 0), 0);
}

function servicesText(fleet: Fleet, hostId: string): string {
  const ids = fleet.servicesOf.get(hostId) ?? [];
  return ids.map((id) => serviceText(fleet.services.get(id))).join(' ');
}

/** A key under which `gpu-2` comes before `gpu-10`. */
export function natural(text: string): string {
  return text.toLowerCase().replace(/\d{1,15}/g, (digits) => digits.padStart(15, '0'));
}

const nameKeys = new WeakMap<HostSummary, string>();

function nameKey(host: HostSummary): string {
  const known = nameKeys.get(host);
  if (known !== undefined) return known;
  const made = natural(host.name);
  nameKeys.set(host, made);
  return made;
}
