// What the reader types to choose nodes: words that must all be found, and `key:value` for one field,
// `status:stale role:"night shift"`.
import type { Facts } from './facts.ts';
import type { Node } from './topology.ts';

export interface Term {
  key: string | null;
  value: string;
}

const KEYS = ['kind', 'name', 'status', 'role', 'domain', 'server'] as const;
const TERM = /(?:(\w+):)?"([^"]*)"|(\S+)/g;

export function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  for (const [, quotedKey, quoted, word = ''] of text.toLowerCase().matchAll(TERM)) {
    const at = word.indexOf(':');
    const key = quotedKey ?? (at > 0 ? word.slice(0, at) : null);
    const known = KEYS.some((one) => one === key);
    if (quoted !== undefined) terms.push({ key: known ? key : null, value: quoted });
    // Names hold colons, too: `llama3:8b` is no key.
    else terms.push(known ? { key, value: word.slice(at + 1) } : { key: null, value: word });
  }
  return terms.filter(({ value }) => value !== '');
}

/** The text of terms, which reads as they do. */
export const filterOf = (terms: readonly Term[]): string =>
  terms
    .map(
      ({ key, value }) =>
        (key ?? '') + (key ? ':' : '') + (/\s/.test(value) ? `"${value}"` : value),
    )
    .join(' ');

export function matches(node: Node, facts: Facts, terms: readonly Term[]): boolean {
  const fields: Record<(typeof KEYS)[number], string> = {
    kind: node.kind,
    name: node.name,
    status: facts.status(node) ?? '',
    role: node.role ?? '',
    domain: node.domain ?? '',
    server: facts.server(node) ?? '',
  };
  const all = `${Object.values(fields).join('\n')}\n${node.id}`.toLowerCase();
  return terms.every(({ key, value }) => {
    const known = KEYS.find((one) => one === key);
    return known ? fields[known].toLowerCase() === value : all.includes(value);
  });
}
