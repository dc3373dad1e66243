// Hash routes: `#/hosts` and `#/hosts/{id}`. The rest falls back to the table.

export interface Route {
  hostId: string | null;
}

export function parse(hash: string): Route {
  const match = /^#\/hosts\/([^/]+)$/.exec(hash);
  if (!match) return { hostId: null };
  try {
    return { hostId: decodeURIComponent(match[1]!) };
  } catch {
    return { hostId: null };
  }
}

export const HOSTS = '#/hosts';

export function hostRoute(id: string): string {
  return `${HOSTS}/${encodeURIComponent(id)}`;
}
