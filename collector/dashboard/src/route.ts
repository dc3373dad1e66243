// Hash routes: `#/{view}`, `#/{view}/{id}`, each with filters as a query: `#/hosts?status=stale&q=gpu`.
// What is no view of this page leads to the fleet.

export const VIEWS = [
  'hosts',
  'models',
  'services',
  'events',
  'alerts',
  'graph',
  'skills',
  'collector',
  'access',
] as const;
export type View = (typeof VIEWS)[number];

export type Query = Readonly<Record<string, string>>;

export interface Route {
  view: View;
  id: string | null;
  query: Query;
}

/** Where one goes to sign in, and is nowhere else: no view of the page. */
export const SIGN_IN = '#/sign-in';

/** Longer values were not made by this page. */
const LONGEST = 500;

export function parse(hash: string): Route {
  const [, path = '', search = ''] = /^#?\/?([^?]*)\??(.*)$/s.exec(hash) ?? [];
  const [first = '', second] = path.split('/', 2);
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (value !== '' && value.length <= LONGEST) query[name] = value;
  }
  const view = VIEWS.find((one) => one === first);
  if (!view) return { view: 'hosts', id: null, query };
  return { view, id: second ? decoded(second) : null, query };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

export function href(view: View, id: string | null = null, query: Query = {}): string {
  const path = id === null ? `#/${view}` : `#/${view}/${encodeURIComponent(id)}`;
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''));
  return search.size > 0 ? `${path}?${search}` : path;
}

/** The query with some values set; an empty one is taken out. */
export function withQuery(route: Route, over: Query): string {
  return href(route.view, route.id, { ...route.query, ...over });
}
