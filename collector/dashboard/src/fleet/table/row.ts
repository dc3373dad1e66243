// What one row of the table shows, gathered from the fold and the live values.
import type { HostSample, HostSummary, ServiceSummary } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import { isHeard, type Live } from '../../feed/live.ts';
import { shareOf } from '../../format.ts';
import { namesOfHost } from '../models.ts';
import { nInstalled } from './order.ts';

export interface Row {
  host: HostSummary;
  sample: HostSample | null;
  services: ServiceSummary[];
  heard: boolean;
  n_installed: number;
  /** Installed and not in memory, as far as their names are known. */
  cold: string[];
  cpu_percent: number | null;
  memory_percent: number | null;
  vram_percent: number | null;
  gpu_percent: number | null;
}

/** The row of a host, or `before` itself when it would say the same. */
export function rowOf(fleet: Fleet, live: Live, id: string, before: Row | undefined): Row | null {
  const host = fleet.hosts.get(id);
  if (!host) return null;
  const sample = live.samples.get(id) ?? null;
  const resources = sample?.resources ?? null;
  const ids = fleet.servicesOf.get(id) ?? [];
  const services = ids.flatMap((service) => fleet.services.get(service) ?? []);
  const { cold } = namesOfHost(fleet, id);
  const at = (column: 'cpu' | 'memory' | 'vram' | 'gpu') => known(live.get(id, column));
  const row: Row = {
    host,
    sample,
    services: before && same(before.services, services) ? before.services : services,
    heard: isHeard(host.status),
    n_installed: nInstalled(fleet, id),
    cold: before && same(before.cold, cold) ? before.cold : cold,
    cpu_percent: resources?.cpu_percent ?? at('cpu'),
    memory_percent:
      shareOf(resources?.memory_used_bytes, resources?.memory_total_bytes) ?? at('memory'),
    vram_percent: shareOf(resources?.vram_used_bytes, resources?.vram_total_bytes) ?? at('vram'),
    gpu_percent: resources?.gpu_percent ?? at('gpu'),
  };
  return before && equal(before, row) ? before : row;
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

function equal(a: Row, b: Row): boolean {
  const fields = Object.keys(b) as (keyof Row)[];
  return fields.every((field) => a[field] === b[field]);
}
