// Many nodes as few: hosts by role and status, services by program and status, and of models those
// that live in most places. A layer that is short enough stays as it is.
import { count } from '../format.ts';
import { single, type Drawn, type DrawnLink } from './drawn.ts';
import { nWarmOf, toneOf, type Facts } from './facts.ts';
import { filterOf, type Term } from './filter.ts';
import { LAYERS, type Kind, type Node, type Topology } from './topology.ts';

/** As many nodes of one kind are drawn each by itself; and there are as many groups at most. */
export const EACH_MOST = 40;

interface Group {
  kind: Kind;
  title: string;
  detail: string;
  status: string | null;
  terms: Term[] | null;
  warm: boolean;
  n: number;
}

const PLURAL: Record<Kind, string> = {
  collector: 'collectors',
  host: 'hosts',
  service: 'services',
  model: 'models',
};

export function grouped(
  scope: Topology,
  facts: Facts,
  focus: string,
): { nodes: Drawn[]; links: DrawnLink[] } {
  const nodes: Drawn[] = [];
  /** Where each node went: to itself, or to a group. */
  const place = new Map<string, string>();
  for (const kind of LAYERS) {
    const layer = [...scope.nodes.values()].filter((node) => node.kind === kind);
    const apart = apartOf(kind, layer, scope, focus);
    const groups = new Map<string, Group>();
    for (const node of layer) {
      if (apart.has(node.id)) {
        place.set(node.id, node.id);
        nodes.push(single(node, scope, facts));
        continue;
      }
      const key = keyOf(node, facts, groups);
      place.set(node.id, `group:${key}`);
      take(groups, key, node, scope, facts);
    }
    nodes.push(...[...groups].sort(byStatus).map(([key, group]) => drawn(key, group)));
  }
  return { nodes, links: joined(scope, facts, place) };
}

/** Those that are drawn each by itself. */
function apartOf(
  kind: Kind,
  layer: readonly Node[],
  scope: Topology,
  focus: string,
): ReadonlySet<string> {
  const ids = layer.map((node) => node.id);
  if (layer.length <= EACH_MOST) return new Set(ids);
  const n = (id: string) => scope.before.get(id)?.length ?? 0;
  const most = kind === 'model' ? [...ids].sort((a, b) => n(b) - n(a)).slice(0, EACH_MOST - 1) : [];
  return new Set([...most, ...ids.filter((id) => id === focus)]);
}

function keyOf(node: Node, facts: Facts, groups: ReadonlyMap<string, Group>): string {
  if (node.kind === 'model') return 'model';
  const by = node.kind === 'service' ? facts.server(node) : node.role;
  const key = JSON.stringify([node.kind, by, facts.status(node)]);
  return groups.has(key) || groups.size < EACH_MOST ? key : `${node.kind} other`;
}

function take(
  groups: Map<string, Group>,
  key: string,
  node: Node,
  scope: Topology,
  facts: Facts,
): void {
  const group = groups.get(key) ?? begun(key, node, facts);
  group.n++;
  group.warm ||= node.kind === 'model' && nWarmOf(node, scope, facts) > 0;
  groups.set(key, group);
}

function begun(key: string, { kind, role, ...node }: Node, facts: Facts): Group {
  const group: Group = {
    kind,
    title: '',
    detail: '',
    status: null,
    terms: null,
    warm: false,
    n: 0,
  };
  if (!key.startsWith('[')) return group;
  const status = facts.status({ kind, role, ...node });
  const by = kind === 'service' ? facts.server({ kind, role, ...node }) : role;
  const terms: Term[] = [{ key: 'kind', value: kind }];
  if (by) terms.push({ key: kind === 'service' ? 'server' : 'role', value: by });
  if (status) terms.push({ key: 'status', value: status });
  return { ...group, detail: by ?? '', status, terms };
}

function drawn(key: string, group: Group): Drawn {
  const { kind, detail, status, terms, warm, n } = group;
  const rest = key.startsWith('[') ? '' : kind === 'model' ? 'more ' : 'other ';
  return {
    id: `group:${key}`,
    kind,
    title: `${count(n)} ${rest}${n === 1 ? kind : PLURAL[kind]}`,
    detail,
    status,
    tone: toneOf(status),
    warm,
    node: null,
    filter: terms && filterOf(terms),
  };
}

const ORDER = ['good', 'warn', 'bad', 'idle'];

function byStatus([, a]: [string, Group], [, b]: [string, Group]): number {
  const order = ORDER.indexOf(toneOf(a.status)) - ORDER.indexOf(toneOf(b.status));
  return order || b.n - a.n || (a.detail < b.detail ? -1 : 1);
}

function joined(scope: Topology, facts: Facts, place: ReadonlyMap<string, string>): DrawnLink[] {
  const links = new Map<string, Map<string, DrawnLink>>();
  for (const link of scope.links) {
    const [from, to] = [place.get(link.from)!, place.get(link.to)!];
    const [left, right] = [scope.nodes.get(link.from)!, scope.nodes.get(link.to)!];
    const nWarm = Number(right.kind === 'model' && facts.isWarm(left, right));
    const of = links.get(from) ?? new Map<string, DrawnLink>();
    links.set(from, of);
    const known = of.get(to);
    if (known) {
      known.n++;
      known.nWarm += nWarm;
    } else of.set(to, { from, to, n: 1, nWarm });
  }
  return [...links.values()].flatMap((of) => [...of.values()]);
}
