// What a person does to a service. Each call names the revision that the person saw, where there is one,
// so that nobody's change is overwritten unseen.
import { at, call } from '../feed/api.ts';
import type { Role, ServiceDetail, ServiceForm, ServicePatch } from '../feed/contract.ts';

const seen = (revision: number | null): Record<string, string> =>
  revision === null ? {} : { 'if-match': `"${revision}"` };

/** `new`: refused where such a service is there already. */
export const add = (body: ServiceForm, which: 'new' | 'any'): Promise<ServiceDetail> =>
  call('POST', 'services', { body, headers: which === 'new' ? { 'if-none-match': '*' } : {} });

export const change = (
  id: string,
  body: ServicePatch,
  revision: number | null,
): Promise<ServiceDetail> => call('PATCH', at('services', id), { body, headers: seen(revision) });

export const promote = (id: string, role: Role, revision: number | null): Promise<ServiceDetail> =>
  call('POST', `${at('services', id)}/promote`, { body: { role }, headers: seen(revision) });

export const drain = (id: string, on: boolean): Promise<ServiceDetail> =>
  call('POST', `${at('services', id)}/drain`, { body: { drain: on } });

/** `manual`: only what was added by hand goes; the rest of the entry stays. */
export const remove = (id: string, what: 'all' | 'manual'): Promise<unknown> =>
  call('DELETE', at('services', id), what === 'manual' ? { query: { source: 'manual' } } : {});
