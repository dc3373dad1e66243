// The hosts before and after one, in the order of their names as people count.
import type { HostSummary } from '../feed/contract.ts';
import { natural } from '../fleet/table/order.ts';

export interface Neighbours {
  before: HostSummary | null;
  after: HostSummary | null;
}

/** One pass over the fleet: nothing is sorted. */
export function neighboursOf(hosts: ReadonlyMap<string, HostSummary>, id: string): Neighbours {
  const self = hosts.get(id);
  if (!self) return { before: null, after: null };
  const keyOf = (host: HostSummary) => `${natural(host.name)}\u0000${host.id}`;
  const key = keyOf(self);
  let before: [string, HostSummary] | null = null;
  let after: [string, HostSummary] | null = null;
  for (const host of hosts.values()) {
    const other = keyOf(host);
    if (other < key && (before === null || other > before[0])) before = [other, host];
    if (other > key && (after === null || other < after[0])) after = [other, host];
  }
  return { before: before?.[1] ?? null, after: after?.[1] ?? null };
}
