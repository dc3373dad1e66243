// Models over the fleet: on how many hosts each is installed, and on how many it is warm.
import type { Fleet } from '../feed/fold.ts';

export interface ModelTally {
  name: string;
  n_hosts: number;
  n_warm: number;
}

/** The names that are known of a host's models: warm ones first, each list in order. */
export function namesOfHost(fleet: Fleet, hostId: string): { warm: string[]; cold: string[] } {
  const warm = fleet.hosts.get(hostId)?.warm ?? [];
  const cold = new Set<string>();
  for (const service of fleet.servicesOf.get(hostId) ?? []) {
    for (const name of fleet.namesOf.get(service) ?? []) cold.add(name);
  }
  for (const name of warm) cold.delete(name);
  return { warm, cold: [...cold].sort() };
}

/** Most installed first. A service of no known host counts as a host. */
export function tallyModels(fleet: Fleet): ModelTally[] {
  const tallies = new Map<string, ModelTally>();
  for (const host of fleet.hosts.values()) {
    const services = fleet.servicesOf.get(host.id) ?? [];
    const names = services.length === 1 ? fleet.namesOf.get(services[0]!) : merged(fleet, services);
    for (const name of names ?? []) of(tallies, name).n_hosts++;
    for (const name of host.warm) {
      const tally = of(tallies, name);
      tally.n_warm++;
      // Loaded, but the feed has not named it among the installed ones.
      if (!services.some((id) => fleet.installed.get(name)?.has(id))) tally.n_hosts++;
    }
  }
  for (const service of fleet.services.values()) {
    if (service.host_id !== null) continue;
    for (const name of fleet.namesOf.get(service.id) ?? []) of(tallies, name).n_hosts++;
    for (const name of service.warm) of(tallies, name).n_warm++;
  }
  return [...tallies.values()].sort((a, b) => b.n_hosts - a.n_hosts || (a.name < b.name ? -1 : 1));
}

function merged(fleet: Fleet, services: readonly string[]): Set<string> {
  return new Set(services.flatMap((id) => fleet.namesOf.get(id) ?? []));
}

function of(tallies: Map<string, ModelTally>, name: string): ModelTally {
  const known = tallies.get(name);
  if (known) return known;
  const made = { name, n_hosts: 0, n_warm: 0 };
  tallies.set(name, made);
  return made;
}
