import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ServiceDetail } from '../feed/contract.ts';
import { change, Clash, promote } from './write.ts';

const fetched = vi.fn<(url: URL, request: RequestInit) => Promise<Response>>();
beforeEach(() => {
  vi.stubGlobal('document', { baseURI: 'http://collector/' });
  vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
  fetched.mockReset();
  vi.unstubAllGlobals();
});

const aService = (revision: number, over: Partial<ServiceDetail> = {}) =>
  ({ id: 'a', revision, role: 'staging', labels: {}, ...over }) as ServiceDetail;
/** A collector on which the service is at one state after the other, a step for each time it is read. */
function collector(...states: ServiceDetail[]) {
  const sent: string[] = [];
  fetched.mockImplementation((_, { method, headers }) => {
    if (method === 'GET') states.shift();
    else sent.push((headers as Record<string, string>)['if-match']!);
    const isMet = method === 'GET' || sent.at(-1) === `"${states[0]!.revision}"`;
    const body = JSON.stringify(isMet ? states[0] : { detail: 'it has changed' });
    return Promise.resolve(new Response(body, { status: isMet ? 200 : 412 }));
  });
  return sent;
}

it('sends again, to what there is now, where only its state moved', async () => {
  const sent = collector(aService(2), aService(3, { state: 'busy' }));
  await promote(aService(1), 'production');
  expect(sent).toEqual(['"1"', '"3"']);
});

it('writes nothing over what somebody else said', async () => {
  const now = aService(3, { role: 'canary', priority: 5 });
  const sent = collector(aService(2), now);
  await expect(promote(aService(1), 'production')).rejects.toEqual(new Clash(['the role'], now));
  expect(sent).toEqual(['"1"']);
});

it('does not mind what others changed elsewhere', async () => {
  const sent = collector(aService(2), aService(3, { labels: { rack: 'r1' } }));
  await change(aService(1), { priority: 4, labels: { zone: 'a' } });
  expect(sent).toEqual(['"1"', '"3"']);
});

it('gives up on a service that never holds still', async () => {
  let revision = 1;
  let n_sent = 0;
  fetched.mockImplementation((_, { method }) => {
    if (method === 'GET')
      return Promise.resolve(new Response(JSON.stringify(aService(++revision))));
    n_sent++;
    return Promise.resolve(new Response('{"detail":"it has changed"}', { status: 412 }));
  });
  await expect(promote(aService(1), 'canary')).rejects.toMatchObject({ status: 412 });
  expect(n_sent).toBe(5);
});
