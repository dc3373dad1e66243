// Whether removing a service would last, said before the collector is asked to.
import type { HostStatus, ServiceDetail } from '../feed/contract.ts';

/** Who would list the service again at once, so that the collector refuses to remove it. */
export function keeperOf(
  { sources, status }: Pick<ServiceDetail, 'sources' | 'status'>,
  host: HostStatus | null,
): 'agent' | 'file' | null {
  // A host that is offline tells nothing, and what is down its agent may have lost.
  const isFound = sources.includes('agent') && host !== 'offline' && status !== 'down';
  if (isFound) return 'agent';
  return sources.includes('file') ? 'file' : null;
}
