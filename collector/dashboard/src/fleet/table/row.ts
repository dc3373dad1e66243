// What one row of the table shows, gathered from the fold and the live values.
import type { HostSample, HostSummary, ServiceSummary } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import { isHeard, type Column, type Live } from '../../feed/live.ts';
import { shareOf } from '../../format.ts';
import { namesOfHost } from '../models.ts';
import { nInstalled } from './order.ts';

interface Values {
  cpu_percent: number | null;
  memory_percent: number | null;
  vram_percent: number | null;
  gpu_percent: number | null;
}

export interface Row extends Values {
  host: HostSummary;
  sample: HostSample | null;
  services: ServiceSummary[];
  heard: boolean;
  n_installed: number;
  /** Installed and not in memory, as far as their names are known. */
  cold: string[];
  /** What the feed has named of each service, to tell whether that has changed. */
  names: (readonly string[] | undefined)[];
}

/** The row of a host, or `before` itself when it would say the same. */
export function rowOf(fleet: Fleet, live: Live, id: string, before: Row | undefined): Row | null {
  const host = fleet.hosts.get(id);
  if (!host) return null;
  const sample = live.samples.get(id) ?? null;
  const ids = fleet.servicesOf.get(id) ?? [];
  const values = valuesOf(live, id, sample);
  if (before && before.host === host && before.sample === sample) {
    if (sameServices(fleet, ids, before) && sameValues(before, values)) return before;
  }
  const services = ids.flatMap((service) => fleet.services.get(service) ?? []);
  return {
    host,
    sample,
    services: before && same(before.services, services) ? before.services : services,
    names: services.map((service) => fleet.namesOf.get(service.id)),
    heard: isHeard(host.status),
    n_installed: nInstalled(fleet, id),
    cold: namesOfHost(fleet, id).cold,
    ...values,
  };
}

function valuesOf(live: Live, id: string, sample: HostSample | null): Values {
  const resources = sample?.resources ?? null;
  const at = (column: Column) => known(live.get(id, column));
  return {
    cpu_percent: resources?.cpu_percent ?? at('cpu'),
    memory_percent:
      shareOf(resources?.memory_used_bytes, resources?.memory_total_bytes) ?? at('memory'),
    vram_percent: shareOf(resources?.vram_used_bytes, resources?.vram_total_bytes) ?? at('vram'),
    gpu_percent: resources?.gpu_percent ?? at('gpu'),
  };
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** Entities are replaced when they change, and so are the lists of names. */
function sameServices(fleet: Fleet, ids: readonly string[], { services, names }: Row): boolean {
  return (
    ids.length === services.length &&
    services.every(
      (one, i) => fleet.services.get(ids[i]!) === one && fleet.namesOf.get(ids[i]!) === names[i],
    )
  );
}

const sameValues = (a: Values, b: Values): boolean =>
  a.cpu_percent === b.cpu_percent &&
  a.memory_percent === b.memory_percent &&
  a.vram_percent === b.vram_percent &&
  a.gpu_percent === b.gpu_percent;
