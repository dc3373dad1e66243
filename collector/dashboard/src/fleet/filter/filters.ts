// What of the fleet is shown, and how: read from the address and written back to it, so that a link
// shows the same to whoever opens it. Values of one filter widen it, filters narrow each other.
import type { HostStatus } from '../../feed/contract.ts';
import type { Query } from '../../route.ts';
import { FIRST_DIRECTION, type Sort, type SortKey } from '../table/order.ts';

export const STATUSES: readonly HostStatus[] = [
  'online',
  'degraded',
  'stale',
  'offline',
  'unknown',
];
export const FACETS = ['status', 'role', 'label', 'model'] as const;
export type Facet = (typeof FACETS)[number];

/** What hosts are put together by. */
export type Grouping = { by: 'status' } | { by: 'role' } | { by: 'label'; name: string };

export interface Filters {
  q: string;
  /** Labels are `name=value`. */
  values: Record<Facet, readonly string[]>;
  group: Grouping | null;
  sort: Sort;
  view: 'table' | 'heat';
}

/** A longer value of the address is not read again. */
const LONGEST = 500;
const BY_NAME: Sort = { key: 'name', direction: 'ascending' };

export function readFilters(query: Query): Filters {
  const list = (facet: Facet) => split(query[facet] ?? '');
  return {
    q: query['q'] ?? '',
    values: {
      status: list('status'),
      role: list('role'),
      label: list('label'),
      model: list('model'),
    },
    group: readGrouping(query['group']),
    sort: readSort(query['sort']),
    view: query['view'] === 'heat' ? 'heat' : 'table',
  };
}

/** The query that puts a value in where it is not, and takes it out where it is. */
export function toggled(filters: Filters, facet: Facet, value: string): Query {
  const values = filters.values[facet];
  const rest = values.filter((one) => one !== value);
  const next = rest.length < values.length ? rest : [...rest, value];
  // What does not fit pushes out what was picked first.
  while (join(next).length > LONGEST && next.length > 1) next.shift();
  return { [facet]: join(next) };
}

export const NO_FILTERS: Query = { q: '', status: '', role: '', label: '', model: '' };

export const isFiltered = (filters: Filters): boolean =>
  filters.q.trim() !== '' || FACETS.some((facet) => filters.values[facet].length > 0);

export function writeSort(sort: Sort): Query {
  const text = sort.direction === 'ascending' ? sort.key : `-${sort.key}`;
  return { sort: text === BY_NAME.key ? '' : text };
}

function readSort(text: string | undefined): Sort {
  const key = text?.replace(/^-/, '') ?? '';
  if (!Object.hasOwn(FIRST_DIRECTION, key)) return BY_NAME;
  return { key: key as SortKey, direction: text!.startsWith('-') ? 'descending' : 'ascending' };
}

export function writeGrouping(grouping: Grouping | null): string {
  if (grouping === null) return '';
  return grouping.by === 'label' ? `label:${grouping.name}` : grouping.by;
}

export function readGrouping(text: string | undefined): Grouping | null {
  if (text === 'status' || text === 'role') return { by: text };
  if (text?.startsWith('label:') && text.length > 6) return { by: 'label', name: text.slice(6) };
  return null;
}

/** `a,b\,c` → `a` and `b,c`: names may hold commas. */
function split(text: string): string[] {
  const values: string[] = [];
  let value = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) value += text[++i];
    else if (text[i] === ',') {
      values.push(value);
      value = '';
    } else value += text[i];
  }
  return [...new Set([...values, value])].filter((one) => one !== '');
}

const join = (values: readonly string[]): string =>
  values.map((value) => value.replace(/[\\,]/g, '\\$&')).join(',');
