// Which services the table shows, and in which order. Pure: it reads the fold and returns ids.
import type { Change, ServiceStatus, ServiceSummary } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { kindName } from '../fleet/table/kinds.ts';
import { natural } from '../fleet/table/order.ts';
import type { Query } from '../route.ts';

export const STATUSES: readonly ServiceStatus[] = [
  'down',
  'unhealthy',
  'degraded',
  'unknown',
  'draining',
  'healthy',
];
export const TYPES = ['model', 'tool', 'agent'] as const;
export const ROLES = ['production', 'staging', 'canary', 'experimental'] as const;

export const SORTS = ['status', 'name', 'kind', 'host', 'state', 'models'] as const;
export type SortKey = (typeof SORTS)[number];
export interface Sort {
  key: SortKey;
  down: boolean;
}

/** `name` or `-name`, as the address has it; trouble comes first without a word. */
export function sortOf(text: string | undefined): Sort {
  const down = text?.startsWith('-') ?? false;
  const key = SORTS.find((one) => one === (down ? text?.slice(1) : text));
  return key ? { key, down } : { key: 'status', down: false };
}

/** What the address says once this head is clicked. */
export function turned(sort: Sort, key: SortKey): string {
  const first = key === 'models';
  const down = sort.key === key ? !sort.down : first;
  return `${down ? '-' : ''}${key}`;
}

type Option = readonly [value: string, text: string];

/** What can be chosen, and what the address says where that is none of it: a filter that counts is seen. */
export function optionsWith(options: readonly Option[], chosen: string | undefined): Option[] {
  const isThere = !chosen || options.some(([value]) => value === chosen);
  return isThere ? [...options] : [...options, [chosen, chosen]];
}

/** Whether what the collector finds by type or role may be another list now: what is gone is not listed anyway. */
export const altersFilter = ({ type }: Change): boolean =>
  type === 'service.registered' || type === 'service.changed' || type === 'service.promoted';

/** `only`: what the collector found by what the feed does not tell; null: no such filter. */
export function listed(fleet: Fleet, query: Query, only: ReadonlySet<string> | null): string[] {
  const words = (query['q'] ?? '').toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8);
  const host = (query['host'] ?? '').toLowerCase();
  const found: ServiceSummary[] = [];
  for (const service of fleet.services.values()) {
    if (query['status'] && service.status !== query['status']) continue;
    if (query['kind'] && service.kind !== query['kind']) continue;
    if (only && !only.has(service.id)) continue;
    if (host && !hostText(fleet, service).includes(host)) continue;
    if (words.length > 0) {
      const text = haystack(fleet, service);
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(service);
  }
  return ordered(fleet, found, sortOf(query['sort']));
}

function ordered(fleet: Fleet, services: ServiceSummary[], sort: Sort): string[] {
  const sign = sort.down ? -1 : 1;
  const keyed = services.map((service) => ({
    id: service.id,
    name: natural(service.name),
    key: keyOf(fleet, service, sort.key),
  }));
  keyed.sort(
    (a, b) => sign * compare(a.key, b.key) || compare(a.name, b.name) || compare(a.id, b.id),
  );
  return keyed.map((one) => one.id);
}

const compare = <T extends string | number>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

function keyOf(fleet: Fleet, service: ServiceSummary, key: SortKey): string | number {
  switch (key) {
    case 'status':
      return STATUSES.indexOf(service.status);
    case 'name':
      return natural(service.name);
    case 'kind':
      return natural(`${kindName(service.kind)} ${service.version ?? ''}`);
    case 'host':
      return natural(hostName(fleet, service) ?? '\u{10FFFF}');
    case 'state':
      return service.state ?? '\u{10FFFF}';
    case 'models':
      return service.warm.length * 1e6 + Math.min(service.n_models, 999_999);
  }
}

export function hostName(fleet: Fleet, service: ServiceSummary): string | null {
  if (service.host_id === null) return null;
  return fleet.hosts.get(service.host_id)?.name ?? service.host_id;
}

const hostText = (fleet: Fleet, service: ServiceSummary): string =>
  `${hostName(fleet, service) ?? ''}\n${service.host_id ?? ''}`.toLowerCase();

function haystack(fleet: Fleet, service: ServiceSummary): string {
  const { id, name, kind, status, state, version, warm } = service;
  const parts = [id, name, kind, kindName(kind), status, state ?? '', version ?? '', ...warm];
  return `${parts.join('\n').toLowerCase()}\n${hostText(fleet, service)}`;
}

/** Kinds that are there, for the filter. */
export function kindsOf(fleet: Fleet): string[] {
  const kinds = new Set<string>();
  for (const service of fleet.services.values()) kinds.add(service.kind);
  return [...kinds].filter(Boolean).sort(compare).slice(0, 50);
}

export function countsOf(fleet: Fleet): Record<ServiceStatus, number> {
  const counts = { unknown: 0, healthy: 0, degraded: 0, unhealthy: 0, down: 0, draining: 0 };
  for (const service of fleet.services.values()) counts[service.status]++;
  return counts;
}
