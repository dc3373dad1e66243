// The page's REST calls, relative to the page. A failed call is an error with words for the reader.
import type { HostDetail, ServiceDetail } from './contract.ts';

export async function getHost(id: string, signal: AbortSignal): Promise<HostDetail> {
  return (await get(`api/v1/hosts/${encodeURIComponent(id)}`, signal)) as HostDetail;
}

export async function getServicesOf(id: string, signal: AbortSignal): Promise<ServiceDetail[]> {
  const query = `api/v1/services?host=${encodeURIComponent(id)}`;
  const list = (await get(query, signal)) as { services?: ServiceDetail[] };
  return list.services ?? [];
}

async function get(path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(new URL(path, document.baseURI), {
    signal,
    headers: { accept: 'application/json' },
  });
  if (response.status === 404) throw new Error('The collector does not know this host.');
  if (!response.ok) throw new Error(`The collector answered ${response.status}.`);
  return response.json();
}
