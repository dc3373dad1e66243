// What the collector's reasons mean, for people.

export interface Reason {
  title: string;
  meaning: string;
}

export const DROPPED: Record<string, Reason> = {
  bad_frame: { title: 'No message', meaning: 'It was no JSON, or no message of an agent.' },
  too_large: { title: 'Too large', meaning: 'The frame was larger than an agent may send.' },
  unknown_type: {
    title: 'Unknown type',
    meaning: 'A message that this version does not know: that agent is newer than the collector.',
  },
  bad_field: { title: 'Wrong field', meaning: 'A field had another shape than it must have.' },
  out_of_bounds: { title: 'Out of bounds', meaning: 'A value that cannot be, such as 400 % load.' },
  over_budget: { title: 'Too much', meaning: 'An agent sent more at once than one may send.' },
  unexpected: {
    title: 'Out of turn',
    meaning: 'A message that does not belong at that point of the conversation.',
  },
  refused: {
    title: 'Refused',
    meaning: 'An agent was not let in. Its own log says why.',
  },
  superseded: {
    title: 'Superseded',
    meaning: 'It came by an old connection of a host that has a newer one.',
  },
};

export const CLOSED: Record<string, Reason> = {
  shutdown: { title: 'Shut down', meaning: 'The agent or its host stopped, and said so.' },
  suspend: { title: 'Asleep', meaning: 'The host went to sleep.' },
  upgrade: { title: 'Upgrade', meaning: 'A new version of the agent took over.' },
  lost: { title: 'Lost', meaning: 'The connection broke, without a goodbye.' },
  silent: { title: 'Silent', meaning: 'Nothing was heard for too long.' },
  superseded: {
    title: 'Superseded',
    meaning: 'Another connection of the same host took over, as after a change of its network.',
  },
  refused: { title: 'Refused', meaning: 'The agent said what this collector refuses.' },
  collector_shutdown: { title: 'Collector stopped', meaning: 'The collector itself shut down.' },
};

/** In order of how many there were, those that never were last. */
export function rowsOf(
  counts: Record<string, number>,
  reasons: Record<string, Reason>,
): (Reason & { code: string; n: number })[] {
  return Object.entries(counts)
    .map(([code, n]) => ({ code, n, ...(reasons[code] ?? { title: code, meaning: '' }) }))
    .sort((a, b) => b.n - a.n || (a.title < b.title ? -1 : 1));
}
