// Hosts put together by status, role or a label, and the lines of the list that this makes: a heading
// for each group and, unless it is folded, its hosts. A line is found by its number without a list of
// all lines.
import type { HostStatus, HostSummary } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { isHeard, type Live } from '../feed/live.ts';
import { STATUSES, type Grouping } from './filter/filters.ts';
import { natural } from './table/order.ts';

export interface Group {
  /** Null for hosts that have no such label. */
  value: string | null;
  ids: string[];
  n_gpus: number;
  n_by_status: Partial<Record<HostStatus, number>>;
  /** The mean over the GPUs of hosts that are heard. */
  vram_percent: number | null;
  /** Exact, where every heard host with a GPU is sampled. */
  vram_bytes: { used: number; total: number } | null;
}

export function grouped(
  fleet: Fleet,
  live: Live,
  ids: readonly string[],
  grouping: Grouping,
): Group[] {
  const groups = new Map<string | null, string[]>();
  for (const id of ids) {
    const host = fleet.hosts.get(id);
    if (!host) continue;
    const value = valueOf(host, grouping);
    const group = groups.get(value);
    if (group) group.push(id);
    else groups.set(value, [id]);
  }
  return [...groups]
    .map(([value, members]) => ({ value, ids: members, ...sums(fleet, live, members) }))
    .sort((a, b) => compare(place(a.value, grouping), place(b.value, grouping)));
}

function valueOf(host: HostSummary, grouping: Grouping): string | null {
  if (grouping.by === 'status') return host.status;
  if (grouping.by === 'role') return host.role;
  return Object.hasOwn(host.labels, grouping.name) ? host.labels[grouping.name]! : null;
}

function place(value: string | null, grouping: Grouping): string {
  if (value === null) return '\uffff';
  if (grouping.by !== 'status') return natural(value);
  return String(STATUSES.indexOf(value as HostStatus));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function sums(fleet: Fleet, live: Live, ids: readonly string[]): Omit<Group, 'value' | 'ids'> {
  const n_by_status: Group['n_by_status'] = {};
  const bytes = { used: 0, total: 0 };
  let [n_gpus, n_known, share, exact] = [0, 0, 0, true];
  for (const id of ids) {
    const host = fleet.hosts.get(id)!;
    n_by_status[host.status] = (n_by_status[host.status] ?? 0) + 1;
    const n = host.gpus?.length ?? 0;
    n_gpus += n;
    if (n === 0 || !isHeard(host.status)) continue;
    const vram = live.get(id, 'vram');
    if (!Number.isNaN(vram)) {
      n_known += n;
      share += n * vram;
    }
    const resources = live.samples.get(id)?.resources;
    exact &&= typeof resources?.vram_total_bytes === 'number';
    bytes.used += resources?.vram_used_bytes ?? 0;
    bytes.total += resources?.vram_total_bytes ?? 0;
  }
  const vram_bytes = exact && bytes.total > 0 ? bytes : null;
  return { n_by_status, n_gpus, vram_percent: n_known > 0 ? share / n_known : null, vram_bytes };
}

export type Line = { kind: 'host'; id: string } | { kind: 'group'; group: Group };

export class Lines {
  readonly length: number;
  /** Differs where the headings are elsewhere. */
  readonly shape: number;
  #first: number[] = [];
  #places: Map<string, number> | null = null;

  constructor(
    readonly ids: readonly string[],
    readonly groups: readonly Group[] | null = null,
    readonly folded: ReadonlySet<string | null> = new Set(),
  ) {
    let length = 0;
    for (const group of groups ?? []) {
      this.#first.push(length);
      length += 1 + (folded.has(group.value) ? 0 : group.ids.length);
    }
    this.length = groups === null ? ids.length : length;
    this.shape = this.#first.reduce((sum, at) => (Math.imul(sum, 31) + at + 1) | 0, this.length);
  }

  at(line: number): Line | null {
    if (line < 0 || line >= this.length) return null;
    if (this.groups === null) return { kind: 'host', id: this.ids[line]! };
    const index = this.#indexAt(line);
    const group = this.groups[index]!;
    const within = line - this.#first[index]! - 1;
    return within < 0 ? { kind: 'group', group } : { kind: 'host', id: group.ids[within]! };
  }

  isHeading(line: number): boolean {
    return this.groups !== null && this.#first[this.#indexAt(line)] === line;
  }

  groupAt(line: number): Group | null {
    return this.groups?.[this.#indexAt(line)] ?? null;
  }

  /** Where the heading of a group of this value is; -1 where there is none. */
  lineOfGroup(wanted: Pick<Group, 'value'> | null): number {
    const index = wanted ? this.groups?.findIndex(({ value }) => value === wanted.value) : -1;
    return this.#first[index ?? -1] ?? -1;
  }

  /** Where a host is; -1 where it is not, or its group is folded. */
  lineOfHost(id: string): number {
    this.#places ??= this.#find();
    return this.#places.get(id) ?? -1;
  }

  #find(): Map<string, number> {
    if (this.groups === null) return new Map(this.ids.map((id, i) => [id, i]));
    const places = new Map<string, number>();
    this.groups.forEach((group, i) => {
      if (this.folded.has(group.value)) return;
      group.ids.forEach((id, within) => places.set(id, this.#first[i]! + 1 + within));
    });
    return places;
  }

  /** The last group that begins at or before the line. */
  #indexAt(line: number): number {
    let [low, high] = [0, this.#first.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#first[middle]! <= line) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
