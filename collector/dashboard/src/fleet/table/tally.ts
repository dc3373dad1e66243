// The figures above the table: hosts by status, GPUs, VRAM, warm models.
import type { HostStatus } from '../../feed/contract.ts';
import type { Fleet } from '../../feed/fold.ts';
import type { Live } from '../../feed/live.ts';

export interface Tally {
  n_hosts: number;
  n_hosts_by_status: Record<HostStatus, number>;
  n_gpus: number;
  vram_used_bytes: number | null;
  vram_total_bytes: number | null;
  /** Models in memory, one a host and name, as the collector counts; a service without a host is its own place. */
  n_warm: number;
  n_warm_names: number;
}

export function tally(fleet: Fleet, live: Live): Tally {
  const n_hosts_by_status = { online: 0, degraded: 0, stale: 0, offline: 0, unknown: 0 };
  let n_gpus = 0;
  for (const host of fleet.hosts.values()) {
    n_hosts_by_status[host.status] = (n_hosts_by_status[host.status] ?? 0) + 1;
    n_gpus += host.gpus?.length ?? 0;
  }
  return {
    n_hosts: fleet.hosts.size,
    n_hosts_by_status,
    n_gpus,
    ...vram(fleet, live),
    ...warm(fleet),
  };
}

/** As the collector counts: a model once a host and name, however many of its services have it loaded. */
function warm(fleet: Fleet): Pick<Tally, 'n_warm' | 'n_warm_names'> {
  let n_warm = 0;
  const names = new Set<string>();
  for (const host of fleet.hosts.values()) {
    n_warm += host.warm.length;
    for (const name of host.warm) names.add(name);
  }
  return { n_warm, n_warm_names: names.size };
}

/** Exact from the samples when every host with a GPU is watched, else the collector's own count. */
function vram(fleet: Fleet, live: Live): Pick<Tally, 'vram_used_bytes' | 'vram_total_bytes'> {
  let used = 0;
  let total = 0;
  for (const host of fleet.hosts.values()) {
    if (!host.gpus || host.gpus.length === 0) continue;
    const resources = live.samples.get(host.id)?.resources;
    if (typeof resources?.vram_total_bytes !== 'number') return counted(fleet);
    used += resources.vram_used_bytes ?? 0;
    total += resources.vram_total_bytes;
  }
  return { vram_used_bytes: used, vram_total_bytes: total };
}

function counted(fleet: Fleet): Pick<Tally, 'vram_used_bytes' | 'vram_total_bytes'> {
  return {
    vram_used_bytes: fleet.counts.vram_used_bytes ?? null,
    vram_total_bytes: fleet.counts.vram_total_bytes ?? null,
  };
}
