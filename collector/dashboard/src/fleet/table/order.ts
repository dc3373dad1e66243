// Which hosts the table shows and in which order. Pure: it reads the fold and the live columns and
// returns ids. Ties fall back to the name, then to the id, so that no row jumps without a reason.
import type { HostStatus, HostSummary, Severity } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import type { Live } from '../../feed/live.ts';
import { words } from '../../format.ts';

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
  const sign = sort.direction === 'ascending' ? 1 : -1;
  const entries = select(fleet, filter).map((host) => ({
    id: host.id,
    name: nameKey(host),
    key: key(fleet, live, sort.key, host),
  }));
  entries.sort((a, b) => {
    // What is not known comes last, whichever way the column is sorted.
    const unknown = Number(Number.isNaN(a.key)) - Number(Number.isNaN(b.key));
    if (unknown !== 0) return unknown;
    if (a.key < b.key) return -sign;
    if (a.key > b.key) return sign;
    return compare(a.name, b.name) || compare(a.id, b.id);
  });
  return entries.map((entry) => entry.id);
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
  const services = (fleet.servicesOf.get(hostId) ?? []).map((id) => fleet.services.get(id));
  return services.map((one) => `${one?.kind} ${one?.version ?? ''} ${one?.state ?? ''}`).join(' ');
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

/** The hosts in which every word of the filter is found. */
function select(fleet: Fleet, filter: string): HostSummary[] {
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8);
  if (wanted.length === 0) return [...fleet.hosts.values()];
  const having = wanted.map((word) => hostsWithModel(fleet, word));
  const found: HostSummary[] = [];
  for (const host of fleet.hosts.values()) {
    const text = haystack(fleet, host);
    if (wanted.every((word, i) => text.includes(word) || having[i]!.has(host.id))) found.push(host);
  }
  return found;
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
