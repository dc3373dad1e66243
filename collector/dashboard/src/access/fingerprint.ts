// A fingerprint as two people can compare it: in groups of four, each of which the eye takes in at once.

const GROUP = 4;
const PREFIX = 'sha256:';

export function groupsOf(fingerprint: string): string[] {
  const digest = fingerprint.startsWith(PREFIX) ? fingerprint.slice(PREFIX.length) : fingerprint;
  return digest.match(new RegExp(`.{1,${GROUP}}`, 'gsu')) ?? [];
}

/** Enough to tell the keys of one fleet apart in a list; never enough to trust one. */
export const shortOf = (fingerprint: string): string =>
  `${groupsOf(fingerprint).slice(0, 2).join('')}…`;
