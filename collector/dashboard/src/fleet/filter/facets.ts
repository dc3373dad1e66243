// What the fleet can be filtered and grouped by: only what it has, with how many hosts have it.
import type { Fleet } from '../../feed/fold.ts';
import { tallyModels } from '../models.ts';
import { natural } from '../table/order.ts';
import { FACETS, STATUSES, type Facet, type Filters } from './filters.ts';

export interface FacetValue {
  value: string;
  n_hosts: number;
}

export function facetValues(fleet: Fleet): Record<Facet, FacetValue[]> {
  const counts = { status: counted(), role: counted(), label: counted() };
  for (const host of fleet.hosts.values()) {
    counts.status.add(host.status);
    counts.role.add(host.role);
    for (const name of Object.keys(host.labels)) counts.label.add(`${name}=${host.labels[name]}`);
  }
  return {
    status: STATUSES.flatMap((status) => counts.status.values([status])),
    role: counts.role.values(),
    label: counts.label.values(),
    model: tallyModels(fleet).map(({ name, n_hosts }) => ({ value: name, n_hosts })),
  };
}

/** The names of labels, those of most hosts first. */
export function labelNames(fleet: Fleet): FacetValue[] {
  const names = counted();
  for (const host of fleet.hosts.values()) {
    for (const name of Object.keys(host.labels)) names.add(name);
  }
  return names.values().sort((a, b) => b.n_hosts - a.n_hosts);
}

function counted() {
  const counts = new Map<string, number>();
  return {
    add: (value: string) => counts.set(value, (counts.get(value) ?? 0) + 1),
    values(only?: readonly string[]): FacetValue[] {
      const values = only?.filter((value) => counts.has(value)) ?? byName([...counts.keys()]);
      return values.map((value) => ({ value, n_hosts: counts.get(value)! }));
    },
  };
}

function byName(values: string[]): string[] {
  const keyed = values.map((value) => ({ value, key: natural(value) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ value }) => value);
}

export interface Listed {
  facet: Facet;
  /** Picked ones first, so that they can always be taken out. */
  values: FacetValue[];
  n_more: number;
}

/** As much of the menu as is shown: `most` a facet that hold what was typed. */
export function listed(
  all: Record<Facet, FacetValue[]>,
  { values: picked }: Filters,
  typed: string,
  most: number,
): Listed[] {
  const wanted = typed.trim().toLowerCase();
  return FACETS.map((facet) => {
    const fits = all[facet].filter(({ value }) => value.toLowerCase().includes(wanted));
    const first = fits.filter(({ value }) => picked[facet].includes(value));
    const rest = fits.filter(({ value }) => !picked[facet].includes(value));
    const values = [...first, ...rest].slice(0, Math.max(most, first.length));
    // Few enough to be seen at once stay where they are.
    const shown = fits.length <= most ? fits : values;
    return { facet, values: shown, n_more: fits.length - shown.length };
  }).filter(({ values }) => values.length > 0);
}
