// What a server's findings say of strangers: whether they reach it without a credential, and whether its
// version has a hole for them.
import { shown } from '../escape.ts';

export interface Exposure {
  word: string;
  tone: 'warning' | 'bad';
  /** The collector's words. */
  why: string;
}

/** The worst first; a server of which the first holds is open too, and says so. */
const WORDS: readonly [code: string, word: string, tone: Exposure['tone']][] = [
  ['exposed_and_vulnerable', 'open, with a known hole', 'bad'],
  ['exposed_without_credential', 'open to the network', 'warning'],
  ['known_vulnerable', 'known hole', 'warning'],
];

/** `null` where nothing of that holds. */
export function exposureOf(
  findings: readonly { code: string; message: string }[],
): Exposure | null {
  const held = WORDS.flatMap(([code, word, tone]) =>
    findings
      .filter((finding) => finding.code === code)
      .map(({ message }) => ({ word, tone, message })),
  );
  const [worst] = held;
  if (!worst) return null;
  const why = held.map(({ message }) => shown(message)).join('\n');
  return { word: worst.word, tone: worst.tone, why };
}
