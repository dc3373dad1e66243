// What the forms of this view send, and where it is said what is wrong with it.
import { ApiError, wordsOf } from '../feed/api.ts';

export type Wrong<Place extends string> = { [place in Place | 'form']?: string };

/** At its field where the form has that; otherwise below all of them. */
export function placed<Place extends string>(
  error: unknown,
  places: readonly Place[],
): Wrong<Place> {
  const field = error instanceof ApiError ? error.field : null;
  const place = places.find((one) => one === field) ?? 'form';
  return { [place]: wordsOf(error) } as Wrong<Place>;
}

export interface JoinFields {
  uses: string;
  hours: string;
  name_pattern: string;
  from: string;
}

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

/** A whole number above zero, or null. */
export function wholeOf(text: string): number | null {
  const trimmed = text.trim();
  return /^[1-9]\d{0,6}$/.test(trimmed) ? Number(trimmed) : null;
}

export function joinFormOf(fields: JoinFields): {
  body: Record<string, string | number> | null;
  faults: Wrong<'uses' | 'expires_in_s'>;
} {
  const [uses, hours] = [wholeOf(fields.uses), wholeOf(fields.hours)];
  if (uses === null || hours === null) {
    const say = 'A whole number, 1 at least.';
    const faults = {
      ...(uses === null ? { uses: say } : {}),
      ...(hours === null ? { expires_in_s: say } : {}),
    };
    return { body: null, faults };
  }
  const [name_pattern, from] = [fields.name_pattern.trim(), fields.from.trim()];
  const only = { ...(name_pattern ? { name_pattern } : {}), ...(from ? { from } : {}) };
  return { body: { uses, expires_in_s: hours * HOUR_S, ...only }, faults: {} };
}

/** How long an API token may hold; null is for ever. */
export const LIVES: readonly { word: string; seconds: number | null }[] = [
  { word: '30 days', seconds: 30 * DAY_S },
  { word: '90 days', seconds: 90 * DAY_S },
  { word: 'One year', seconds: 365 * DAY_S },
  { word: 'No end', seconds: null },
];
