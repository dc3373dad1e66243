// Where a request would go now, and why: what is asked, and what the collector answers.
import { ApiError, get } from '../../feed/api.ts';
import type { NoneUsable, Picked } from '../../feed/contract.ts';

export interface PickQuery {
  model: string;
  role: string;
  cap: string;
  label: string;
  min_ctx: string;
  from: string;
}
export const NO_QUERY: PickQuery = {
  model: '',
  role: '',
  cap: '',
  label: '',
  min_ctx: '',
  from: '',
};

export type PickAnswer =
  { kind: 'picked'; picked: Picked } | { kind: 'none'; none: NoneUsable } | { kind: 'unasked' };

/** Nothing can be used is an answer, too: it says of each service why. */
export async function askPick(query: PickQuery, signal: AbortSignal): Promise<PickAnswer> {
  if (query.model.trim() === '' && query.cap.trim() === '') return { kind: 'unasked' };
  try {
    return { kind: 'picked', picked: await get<Picked>('pick', { query: said(query), signal }) };
  } catch (error) {
    const none = error instanceof ApiError && error.status === 404 ? noneOf(error.body) : null;
    if (none) return { kind: 'none', none };
    throw error;
  }
}

/** Empty parameters are not sent: `pick` reads strictly. */
export function said(query: PickQuery): Record<string, string> {
  const filled = Object.entries(query).map(([name, value]) => [name, value.trim()] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== ''));
}

function noneOf(body: unknown): NoneUsable | null {
  const none = body as NoneUsable | null;
  return Array.isArray(none?.rejected) ? none : null;
}
