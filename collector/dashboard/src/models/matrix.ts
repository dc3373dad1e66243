// Models against hosts: which rows and columns there are, and what stands where they cross. Pure. What a
// model is comes from the collector's list; where it is and whether it is warm, from the live fold.
import type { ListedModel, ServiceSummary } from '../feed/contract.ts';
import type { Fleet } from '../feed/fold.ts';
import { isHeard } from '../feed/live.ts';
import { natural } from '../fleet/table/order.ts';
import type { Query } from '../route.ts';
import { buildsOf, type Build } from './builds.ts';

/** A model as the list tells it, made ready for looking things up. */
export interface Known {
  listed: ListedModel;
  services: ReadonlySet<string>;
  builds: Build[];
  /** Service → which of the builds it has. */
  buildAt: ReadonlyMap<string, number>;
}

export interface ModelRow {
  name: string;
  known: Known | null;
  n_hosts: number;
  n_warm: number;
}

/** A host with a model server, or a service of which no host is known. */
export interface Place {
  key: string;
  title: string;
  host_id: string | null;
  services: string[];
  /** What its services do now is known. */
  heard: boolean;
  /** Why not, in a word. */
  status: string;
}

export type CellState = 'warm' | 'cold' | 'unknown';
/** A model on one service. */
export interface Spot {
  state: CellState;
  service: string;
  /** Which digest it has, where one name has several; −1: not told. */
  build: number | null;
}
/** The one that is shown, and all that are there: a host may have several servers. */
export interface Cell extends Spot {
  spots: Spot[];
}

export function knownOf(models: readonly ListedModel[]): Map<string, Known> {
  return new Map(
    models.map((listed) => {
      const builds = buildsOf(listed);
      const buildAt = new Map<string, number>();
      if (listed.drift)
        builds.forEach((build, i) =>
          build.services.forEach((id) => buildAt.set(id, build.digest === null ? -1 : i)),
        );
      return [listed.name, { listed, services: new Set(listed.services), builds, buildAt }];
    }),
  );
}

export const SORTS = ['name', 'hosts', 'warm', 'size'] as const;
export type SortKey = (typeof SORTS)[number];

export function rowsOf(fleet: Fleet, known: ReadonlyMap<string, Known>, query: Query): ModelRow[] {
  const words = (query['q'] ?? '').toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8);
  const warm = warmPlaces(fleet);
  const rows: ModelRow[] = [];
  for (const name of namesOf(fleet, known)) {
    const model = known.get(name) ?? null;
    if (query['drift'] && !model?.listed.drift) continue;
    const n_warm = warm.get(name)?.size ?? 0;
    if (query['warm'] && n_warm === 0) continue;
    if (words.length > 0) {
      const text = haystack(name, model);
      if (!words.every((word) => text.includes(word))) continue;
    }
    const n_hosts = model?.listed.hosts_installed ?? placesWith(fleet, name);
    rows.push({ name, known: model, n_hosts: Math.max(n_hosts, n_warm), n_warm });
  }
  return sorted(rows, SORTS.find((one) => one === query['sort']) ?? 'name');
}

function* namesOf(fleet: Fleet, known: ReadonlyMap<string, Known>): Generator<string> {
  yield* known.keys();
  for (const [name, services] of fleet.installed)
    if (services.size > 0 && !known.has(name)) yield name;
}

function sorted(rows: ModelRow[], key: SortKey): ModelRow[] {
  const keyed = rows.map((row) => ({ row, name: natural(row.name), key: figure(row, key) }));
  keyed.sort((a, b) => b.key - a.key || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return keyed.map(({ row }) => row);
}

function figure(row: ModelRow, key: SortKey): number {
  if (key === 'hosts') return row.n_hosts;
  if (key === 'warm') return row.n_warm;
  return key === 'size' ? (row.known?.listed.size_bytes ?? -1) : 0;
}

function haystack(name: string, known: Known | null): string {
  const facts = known?.listed.variants.flatMap((one) => [
    one.quantization,
    one.family,
    one.parameters,
    ...one.capabilities,
  ]);
  return [name, ...(facts ?? [])].join('\n').toLowerCase();
}

const placeKey = (service: ServiceSummary): string => service.host_id ?? `service ${service.id}`;

function warmPlaces(fleet: Fleet): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  for (const service of fleet.services.values()) {
    for (const name of service.warm) {
      const there = places.get(name);
      if (there) there.add(placeKey(service));
      else places.set(name, new Set([placeKey(service)]));
    }
  }
  return places;
}

function placesWith(fleet: Fleet, name: string): number {
  const ids = [...(fleet.installed.get(name) ?? [])];
  const services = ids.flatMap((id) => fleet.services.get(id) ?? []);
  return new Set(services.map(placeKey)).size;
}

/** Kinds that serve models, even where none is installed. */
const SERVERS = new Set(['ollama', 'vllm', 'llamacpp', 'lmstudio', 'sglang', 'openai']);

export function placesOf(fleet: Fleet, host: string): Place[] {
  const places = new Map<string, Place>();
  for (const service of fleet.services.values()) {
    if (service.n_models === 0 && !SERVERS.has(service.kind)) continue;
    const key = placeKey(service);
    const place = places.get(key) ?? placeOf(fleet, service, key);
    place.services.push(service.id);
    places.set(key, place);
  }
  const wanted = host.toLowerCase().trim();
  const found = [...places.values()].filter(
    (place) => place.title.toLowerCase().includes(wanted) || place.host_id === host.trim(),
  );
  const keyed = found.map((place) => ({ place, key: natural(place.title) }));
  keyed.sort((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : a.place.key < b.place.key ? -1 : 1,
  );
  return keyed.map(({ place }) => place);
}

function placeOf(fleet: Fleet, service: ServiceSummary, key: string): Place {
  if (service.host_id === null) {
    const heard = service.status !== 'unknown';
    return { key, title: service.name, host_id: null, services: [], heard, status: service.status };
  }
  const host = fleet.hosts.get(service.host_id);
  const heard = host !== undefined && isHeard(host.status);
  return {
    key,
    title: host?.name ?? service.host_id,
    host_id: service.host_id,
    services: [],
    heard,
    status: host?.status ?? 'unknown',
  };
}

/** What stands where a model and a place cross; null: it is not there. */
export function cellOf(fleet: Fleet, row: ModelRow, place: Place): Cell | null {
  const spots: Spot[] = [];
  for (const id of place.services) {
    const there = row.known?.services.has(id) || fleet.installed.get(row.name)?.has(id);
    const service = fleet.services.get(id);
    if (!there || !service) continue;
    const warm = service.warm.includes(row.name);
    const unknown = !place.heard || service.status === 'unknown' || service.status === 'down';
    const state = warm ? 'warm' : unknown ? 'unknown' : 'cold';
    const build = row.known?.listed.drift ? (row.known.buildAt.get(id) ?? -1) : null;
    spots.push({ state, service: id, build });
  }
  // Warm before cold; of these what is not as elsewhere, so that it is seen.
  spots.sort((a, b) => RANK[a.state] - RANK[b.state] || (b.build ?? 0) - (a.build ?? 0));
  return spots[0] ? { ...spots[0], spots } : null;
}

const RANK: Record<CellState, number> = { warm: 0, cold: 1, unknown: 2 };

/** Beyond both edges there is so much more, so that not every pixel of scrolling makes work. */
const STEP = 6;

/** Which of `count` things of this size are on the screen: from the first to behind the last. */
export function inSight(
  offset_px: number,
  room_px: number,
  size_px: number,
  count: number,
): [number, number] {
  const first = Math.floor(offset_px / size_px / STEP - 0.5) * STEP;
  const end = Math.ceil((offset_px + room_px) / size_px / STEP + 0.5) * STEP;
  const last = Math.min(count, Math.max(0, end));
  return [Math.min(Math.max(0, first), last), last];
}
