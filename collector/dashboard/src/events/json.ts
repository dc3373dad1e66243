// The whole entity of a change as JSON for people: asked for when somebody wants to see it, pretty, with
// nothing hidden in it, and no longer than a person would read.
import { shown } from '../escape.ts';
import { ApiError, get } from '../feed/api.ts';
import type { Change } from '../feed/contract.ts';

export const LINES_MOST = 400;

export interface Pretty {
  text: string;
  n_lines_more: number;
}

export function pretty(data: unknown): Pretty {
  const lines = (JSON.stringify(data, null, 2) ?? 'null').split('\n');
  const text = lines.slice(0, LINES_MOST).map(shown).join('\n');
  return { text, n_lines_more: Math.max(0, lines.length - LINES_MOST) };
}

/** In the full view where the collector still has it, else as the page knows it, in short. */
export async function wholeOf(change: Change): Promise<{ data: unknown; isShort: boolean }> {
  const query = { since: `${change.epoch}:${change.seq - 1}`, limit: 1, view: 'full' };
  try {
    const { events } = await get<{ events: Change[] }>('events', { query });
    const found = events[0];
    if (found?.seq === change.seq) return { data: found.data, isShort: false };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  return { data: change.data, isShort: true };
}
