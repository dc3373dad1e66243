// How an agent came in, what a role may do, and how long something holds, in words.
import type { AccessRole, Agent, AuditEntry, JoinToken } from '../feed/access.ts';
import { DASH, plural, span } from '../format.ts';

export const ROLE_WORDS: Record<AccessRole, string> = {
  viewer: 'sees everything and asks for a service',
  client: 'also takes services for requests, and registers its own',
  admin: 'also changes everything, and says who may come in',
};

const HOW: Record<NonNullable<Agent['how']>, string> = {
  token: 'by a join line',
  approval: 'by approval',
  cidr: 'by its address',
  open: 'open to all',
};
export const howOf = (agent: Agent): string => (agent.how ? (HOW[agent.how] ?? agent.how) : DASH);

export type Tone = 'plain' | 'warm' | 'cold' | 'warning' | 'bad';

export const AGENT_TONES: Record<Agent['state'], Tone> = {
  pending: 'warning',
  approved: 'warm',
  revoked: 'bad',
};

/** One tone for whatever holds, and another for what does not any more. */
export const holdsTone = (state: string): Tone =>
  state === 'active' ? 'warm' : state === 'revoked' ? 'bad' : 'cold';

export const stateWord = (state: string): string => state.replaceAll('_', ' ');

/** `in 3 h`, or since when not any more. */
export function untilOf(at: string | null, now_ms: number): string {
  if (at === null) return 'never';
  const left = Date.parse(at) - now_ms;
  if (Number.isNaN(left)) return DASH;
  return left > 0 ? `in ${span(left)}` : `${span(-left)} ago`;
}

export function usesOf(token: JoinToken): string {
  const used = token.uses - token.uses_left;
  return token.uses === 1 && used === 0 ? 'one host' : `${used} of ${plural(token.uses, 'host')}`;
}

/** `makeFirstAdmin`, as the API calls it, is `make first admin` for people. */
export const actOf = ({ action }: AuditEntry): string =>
  action.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Whether all words stand somewhere in the entry. */
export function speaksOf(entry: AuditEntry, words: readonly string[]): boolean {
  const { actor, action, subject, from_address, detail } = entry;
  const text = [actor, action, actOf(entry), subject, from_address, detail]
    .join('\n')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

export const wordsIn = (filter: string): string[] =>
  filter.toLowerCase().split(/\s+/).filter(Boolean);
