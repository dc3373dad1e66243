// What a person does to a service. What is changed goes with the revision that the person saw, so that
// nobody's change is overwritten unseen.
import { ApiError, at, call, get } from '../feed/api.ts';
import type { Role, ServiceDetail, ServiceForm, ServicePatch } from '../feed/contract.ts';
import { shown } from '../escape.ts';
import { clashes } from '../host/change/edit.ts';

/** Somebody else changed the same to something else since the service was read. */
export class Clash extends Error {
  constructor(
    what: readonly string[],
    readonly now: ServiceDetail,
  ) {
    super(
      `Somebody else changed ${what.map(shown).join(', ')} meanwhile. Do it once more to have it your way.`,
    );
  }
}

/** Sends at most: each change of state makes a new revision, and a busy service has many. */
const TRIES = 5;
type Send = (match: Record<string, string>) => Promise<ServiceDetail>;

async function onto(
  seen: ServiceDetail,
  patch: ServicePatch,
  send: Send,
  tries = TRIES,
): Promise<ServiceDetail> {
  try {
    return await send({ 'if-match': `"${seen.revision}"` });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 412) || tries <= 1) throw error;
    const now = await get<ServiceDetail>(at('services', seen.id));
    const opposed = clashes(patch, seen, now);
    if (opposed.length > 0) throw new Clash(opposed, now);
    return onto(now, patch, send, tries - 1);
  }
}

/** `new`: refused where such a service is there already. */
export const add = (body: ServiceForm, which: 'new' | 'any'): Promise<ServiceDetail> =>
  call('POST', 'services', { body, headers: which === 'new' ? { 'if-none-match': '*' } : {} });

export const change = (seen: ServiceDetail, body: ServicePatch): Promise<ServiceDetail> =>
  onto(seen, body, (headers) => call('PATCH', at('services', seen.id), { body, headers }));

export const promote = (seen: ServiceDetail, role: Role): Promise<ServiceDetail> =>
  onto(seen, { role }, (headers) =>
    call('POST', `${at('services', seen.id)}/promote`, { body: { role }, headers }),
  );

export const drain = (id: string, on: boolean): Promise<ServiceDetail> =>
  call('POST', `${at('services', id)}/drain`, { body: { drain: on } });

/** `manual`: only what was added by hand goes; the rest of the entry stays. */
export const remove = (id: string, what: 'all' | 'manual'): Promise<unknown> =>
  call('DELETE', at('services', id), what === 'manual' ? { query: { source: 'manual' } } : {});
