// What of the past is chosen, and how the collector is asked for it.
import type { Query } from '../route.ts';
import type { Choice } from './open.ts';

export const STATES = [
  { word: '', title: 'Resolved' },
  { word: 'all', title: 'Resolved and open' },
  { word: 'open', title: 'Open only' },
] as const;

const HOUR_MS = 3_600_000;

export const SINCE = [
  { word: '', title: 'Any time', ms: null },
  { word: '1h', title: 'Last hour', ms: HOUR_MS },
  { word: '1d', title: 'Last day', ms: 24 * HOUR_MS },
  { word: '7d', title: 'Last week', ms: 7 * 24 * HOUR_MS },
] as const;

export interface PastChoice {
  state: (typeof STATES)[number]['word'];
  since: (typeof SINCE)[number]['word'];
}

export function pastChoiceOf(query: Query): PastChoice {
  const state = STATES.find(({ word }) => word === query['state']) ?? STATES[0];
  const since = SINCE.find(({ word }) => word === query['since']) ?? SINCE[0];
  return { state: state.word, since: since.word };
}

/** `now_ms` is rounded down to a minute, so that the question is not another one every second. */
export function pastQueryOf(
  choice: Choice,
  past: PastChoice,
  now_ms: number,
): Record<string, string> {
  const query: Record<string, string> = {};
  if (past.state !== 'all') query['open'] = String(past.state === 'open');
  const { ms } = SINCE.find(({ word }) => word === past.since)!;
  if (ms !== null) {
    const from_ms = Math.floor((now_ms - ms) / 60_000) * 60_000;
    query['since'] = new Date(from_ms).toISOString();
  }
  if (choice.rule) query['rule'] = choice.rule;
  if (choice.severity) query['severity'] = choice.severity;
  if (choice.subject) query['subject'] = choice.subject;
  return query;
}
