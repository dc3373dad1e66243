// Which hosts the table shows and in which order. Pure: it reads the fold and the live columns and
// returns ids. Ties fall back to the name, then to the id, so that no row jumps without a reason.
import type { HostStatus, HostSummary, Severity } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import type { Live } from '../feed/live.ts';
import { words } from '../format.ts';

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

export function order(fleet: Fleet, live: Live, sort: Sort, filter: string): string[] {
  const ids = select(fleet, filter);
  const keys = new Map(ids.map((id) => [id, key(fleet, live, sort.key, id)]));
  const names = new Map(ids.map((id) => [id, natural(fleet.hosts.get(id)!.name)]));
  const sign = sort.direction === 'ascending' ? 1 : -1;
  return ids.sort((a, b) => {
    const [x, y] = [keys.get(a)!, keys.get(b)!];
    // What is not known comes last, whichever way the column is sorted.
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    if (x < y) return -sign;
    if (x > y) return sign;
    return compare(names.get(a)!, names.get(b)!) || compare(a, b);
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function key(fleet: Fleet, live: Live, sort: SortKey, id: string): number | string {
  const host = fleet.hosts.get(id)!;
  switch (sort) {
    case 'status':
      return TROUBLE[host.status] ?? TROUBLE.unknown;
    case 'name':
      return natural(host.name);
    case 'finding':
      return host.finding ? SEVERITY[host.finding.severity] : 0;
    case 'services':
      return natural(servicesText(fleet, id)) || NaN;
    case 'models':
      return host.warm.length * 1e6 + Math.min(nInstalled(fleet, id), 999_999);
    case 'seen':
      return seen(host);
    default:
      return live.get(id, sort);
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
  const services = (fleet.servicesOf.get(hostId) ?? []).map((id) => fleet.services.get(id));
  return services.map((one) => `${one?.kind} ${one?.version ?? ''} ${one?.state ?? ''}`).join(' ');
}

/** A key under which `gpu-2` comes before `gpu-10`. */
export function natural(text: string): string {
  return text.toLowerCase().replace(/\d{1,15}/g, (digits) => digits.padStart(15, '0'));
}

/** Ids of the hosts in which every word of the filter is found. */
function select(fleet: Fleet, filter: string): string[] {
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8);
  if (wanted.length === 0) return [...fleet.hosts.keys()];
  const having = wanted.map((word) => hostsWithModel(fleet, word));
  const ids: string[] = [];
  for (const host of fleet.hosts.values()) {
    const text = haystack(fleet, host);
    if (wanted.every((word, i) => text.includes(word) || having[i]!.has(host.id)))
      ids.push(host.id);
  }
  return ids;
}

const haystacks = new WeakMap<HostSummary, { services: string; text: string }>();

function haystack(fleet: Fleet, host: HostSummary): string {
  const services = servicesText(fleet, host.id);
  const known = haystacks.get(host);
  if (known?.services === services) return known.text;
  const labels = Object.entries(host.labels).map(([name, value]) => `${name}=${value}`);
  const finding = host.finding ? `${host.finding.code} ${words(host.finding.code)}` : '';
  const parts = [host.name, host.id, host.status, host.role, ...labels, finding, services];
  const text = [...parts, ...host.warm].join('\n').toLowerCase();
  haystacks.set(host, { services, text });
  return text;
}

function hostsWithModel(fleet: Fleet, word: string): Set<string> {
  const hosts = new Set<string>();
  for (const [name, services] of fleet.installed) {
    if (!name.toLowerCase().includes(word)) continue;
    for (const id of services) {
      const host = fleet.services.get(id)?.host_id;
      if (host) hosts.add(host);
    }
  }
  return hosts;
}
