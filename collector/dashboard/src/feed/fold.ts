// The page's registry: a snapshot, then every change folded into it, exactly as the collector's own
// rule `fold(snapshot@n, changes n+1…m) = snapshot@m` has it. No clock, no socket, no rendering.
// Entities are replaced, never altered, so that `===` tells whether one has changed.
import { isKeyChange } from './access.ts';
import type { Alert, Change, Counts, HostSummary, ServiceSummary, Snapshot } from './contract.ts';

export interface Fleet {
  epoch: string;
  seq: number;
  hosts: Map<string, HostSummary>;
  services: Map<string, ServiceSummary>;
  /** Ids of the services of a host, in order of id. */
  servicesOf: Map<string, string[]>;
  /** Model name → ids of the services where it is installed. */
  installed: Map<string, Set<string>>;
  /** The same by service: id → names, in no order. As far as the feed has named them: `n_models` counts all. */
  namesOf: Map<string, string[]>;
  /** Those that are open. */
  alerts: Map<string, Alert>;
  counts: Counts;
  /** What the collector's people say of it. */
  notice: string | null;
  /** The last `seq` at which a host came or went. */
  membership_seq: number;
}

/** What a change did: `gap` = it does not follow, so the feed must start anew. */
export type Folded =
  { kind: 'gap' } | { kind: 'folded'; hosts: readonly string[]; membership: 'same' | 'changed' };

const GAP: Folded = { kind: 'gap' };
const NOTHING: Folded = { kind: 'folded', hosts: [], membership: 'same' };

export function start(snapshot: Snapshot): Fleet {
  const fleet: Fleet = {
    epoch: snapshot.epoch,
    seq: snapshot.seq,
    hosts: new Map(snapshot.hosts.map((host) => [host.id, host])),
    services: new Map(),
    servicesOf: new Map(),
    installed: new Map(),
    namesOf: new Map(),
    alerts: new Map(snapshot.alerts.map((alert) => [alert.id, alert])),
    counts: snapshot.counts,
    notice: snapshot.notice ?? null,
    membership_seq: snapshot.seq,
  };
  for (const service of snapshot.services) {
    fleet.services.set(service.id, service);
    attach(fleet, service);
  }
  for (const model of snapshot.fleet_models ?? []) {
    fleet.installed.set(model.name, new Set(model.services));
    for (const id of model.services) append(fleet.namesOf, id, model.name);
  }
  return fleet;
}

export function fold(fleet: Fleet, change: Change): Folded {
  if (change.epoch !== fleet.epoch || change.seq !== fleet.seq + 1) return GAP;
  fleet.seq = change.seq;
  if (isKeyChange(change)) return NOTHING;
  const family = change.type.slice(0, change.type.indexOf('.'));
  if (family === 'host' || family === 'gpu') return foldHost(fleet, change);
  if (family === 'service') return foldService(fleet, change);
  if (family === 'model') return foldModel(fleet, change);
  if (family === 'alert') foldAlert(fleet, change);
  return NOTHING;
}

function foldHost(fleet: Fleet, change: Change): Folded {
  const host = change.data as HostSummary | null;
  const id = host?.id ?? change.host_id;
  if (id === null) return NOTHING;
  const known = fleet.hosts.has(id);
  if (host === null) {
    // Only a removal takes a host away: any other change without data says nothing.
    if (change.type !== 'host.removed' || !known) return NOTHING;
    fleet.hosts.delete(id);
    fleet.membership_seq = change.seq;
    return { kind: 'folded', hosts: [id], membership: 'changed' };
  }
  fleet.hosts.set(id, host);
  if (!known) fleet.membership_seq = change.seq;
  return { kind: 'folded', hosts: [id], membership: known ? 'same' : 'changed' };
}

function foldService(fleet: Fleet, change: Change): Folded {
  const service = change.data as ServiceSummary | null;
  const id = service?.id ?? change.service_id;
  if (id === null) return NOTHING;
  const before = fleet.services.get(id);
  if (service === null && !GONE.has(change.type)) return NOTHING;
  if (before) detach(fleet, before);
  if (service) {
    fleet.services.set(id, service);
    attach(fleet, service);
  } else {
    fleet.services.delete(id);
    setNames(fleet, id, []);
  }
  return touched(fleet, before?.host_id ?? null, service?.host_id ?? null);
}

const GONE = new Set(['service.removed', 'service.deregistered']);

function foldModel(fleet: Fleet, change: Change): Folded {
  const service = change.service_id === null ? undefined : fleet.services.get(change.service_id);
  const name = change.model;
  if (!service || !name) return NOTHING;
  const after = withModel(service, change.type, name);
  const names = (fleet.namesOf.get(service.id) ?? []).filter((known) => known !== name);
  if (change.type === 'model.installed') setNames(fleet, service.id, [...names, name]);
  else if (change.type === 'model.removed') setNames(fleet, service.id, names);
  fleet.services.set(service.id, after);
  return touched(fleet, after.host_id, after.host_id);
}

/** Which models a service has, in both indexes. */
export function setNames(fleet: Fleet, serviceId: string, names: string[]): void {
  for (const name of fleet.namesOf.get(serviceId) ?? []) {
    const services = fleet.installed.get(name);
    services?.delete(serviceId);
    if (services?.size === 0) fleet.installed.delete(name);
  }
  if (names.length === 0) fleet.namesOf.delete(serviceId);
  else fleet.namesOf.set(serviceId, names);
  for (const name of names) {
    const services = fleet.installed.get(name);
    if (services) services.add(serviceId);
    else fleet.installed.set(name, new Set([serviceId]));
  }
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function withModel(service: ServiceSummary, change: string, name: string): ServiceSummary {
  switch (change) {
    case 'model.installed':
      return { ...service, n_models: service.n_models + 1 };
    case 'model.removed':
      return {
        ...service,
        n_models: Math.max(0, service.n_models - 1),
        warm: service.warm.filter((warm) => warm !== name),
      };
    case 'model.loaded':
      return { ...service, warm: sorted([...service.warm, name]) };
    case 'model.unloaded':
      return { ...service, warm: service.warm.filter((warm) => warm !== name) };
    default:
      return service;
  }
}

function foldAlert(fleet: Fleet, change: Change): void {
  const alert = change.data as Alert | null;
  if (alert === null) return;
  if (change.type === 'alert.raised') fleet.alerts.set(alert.id, alert);
  else if (change.type === 'alert.resolved') fleet.alerts.delete(alert.id);
}

/** Renews the warm models of the hosts whose services have changed. */
function touched(fleet: Fleet, before: string | null, after: string | null): Folded {
  const ids = [...new Set([before, after])].filter((id) => id !== null);
  for (const id of ids) {
    const host = fleet.hosts.get(id);
    if (host) fleet.hosts.set(id, { ...host, warm: warmOf(fleet, id) });
  }
  return { kind: 'folded', hosts: ids, membership: 'same' };
}

function warmOf(fleet: Fleet, hostId: string): string[] {
  const services = fleet.servicesOf.get(hostId) ?? [];
  return sorted(services.flatMap((id) => fleet.services.get(id)?.warm ?? []));
}

/** In the collector's order (code points, as bytes sort), each name once. */
function sorted(names: string[]): string[] {
  return [...new Set(names)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function attach(fleet: Fleet, service: ServiceSummary): void {
  if (service.host_id === null) return;
  const ids = fleet.servicesOf.get(service.host_id) ?? [];
  fleet.servicesOf.set(service.host_id, sorted([...ids, service.id]));
}

function detach(fleet: Fleet, service: ServiceSummary): void {
  if (service.host_id === null) return;
  const ids = (fleet.servicesOf.get(service.host_id) ?? []).filter((id) => id !== service.id);
  if (ids.length > 0) fleet.servicesOf.set(service.host_id, ids);
  else fleet.servicesOf.delete(service.host_id);
}
