// The graph as the collector tells it, with every link from left to right: collector, hosts,
// services, models. What a later collector may add is left out.
import type { Graph, GraphNode } from '../feed/contract.ts';

export const LAYERS = ['collector', 'host', 'service', 'model'] as const;
export type Kind = (typeof LAYERS)[number];

export interface Node {
  id: string;
  kind: Kind;
  name: string;
  role: string | null;
  status: string | null;
  domain: string | null;
}

export interface Link {
  from: string;
  to: string;
}

/** Who is linked with whom: to the right and to the left. */
export interface Neighbours {
  after: ReadonlyMap<string, readonly string[]>;
  before: ReadonlyMap<string, readonly string[]>;
}

export interface Topology extends Neighbours {
  nodes: ReadonlyMap<string, Node>;
  links: readonly Link[];
}

export function topologyOf(graph: Graph): Topology {
  const nodes = new Map<string, Node>();
  for (const node of [...graph.nodes].sort(byName)) {
    const kind = LAYERS.find((layer) => layer === node.kind);
    if (kind) nodes.set(node.id, { ...node, kind });
  }
  const links: Link[] = [];
  for (const { source, target } of graph.links) {
    const [one, other] = [nodes.get(source), nodes.get(target)];
    if (!one || !other || one.kind === other.kind) continue;
    const forward = LAYERS.indexOf(one.kind) < LAYERS.indexOf(other.kind);
    links.push(forward ? { from: source, to: target } : { from: target, to: source });
  }
  return { nodes, links, ...neighboursOf(links) };
}

export function neighboursOf(links: readonly Link[]): Neighbours {
  const [after, before] = [new Map<string, string[]>(), new Map<string, string[]>()];
  for (const { from, to } of links) {
    add(after, from, to);
    add(before, to, from);
  }
  return { after, before };
}

function add(to: Map<string, string[]>, key: string, value: string): void {
  const values = to.get(key);
  if (values) values.push(value);
  else to.set(key, [value]);
}

/** Of a model, everywhere it lives; of a host, what it runs; each with the way between. */
export function lineage(of: Neighbours, ids: Iterable<string>): Set<string> {
  const seeds = [...ids];
  return new Set([...reached(of.after, seeds), ...reached(of.before, seeds)]);
}

function reached(by: Neighbours['after'], seeds: readonly string[]): Set<string> {
  const seen = new Set(seeds);
  // A set can be walked while it grows.
  for (const id of seen) for (const next of by.get(id) ?? []) seen.add(next);
  return seen;
}

/** The id by which the rest of the page knows what a node stands for. */
export function entityOf(node: Pick<Node, 'id' | 'kind' | 'name'>): string {
  if (node.kind === 'model') return node.name;
  // A service whose id looks like another kind's is told with this before it.
  return node.kind === 'service' && node.id.startsWith('service:') ? node.id.slice(8) : node.id;
}

/** A service that is called as its host tells nothing, least of all two of them: its id does. */
export function titleOf(node: Node, { nodes, before }: Topology): string {
  if (node.kind !== 'service') return node.name;
  const hosts = (before.get(node.id) ?? []).map((id) => nodes.get(id)?.name);
  return hosts.includes(node.name) ? entityOf(node) : node.name;
}

const NATURAL = new Intl.Collator('en', { numeric: true });

function byName(a: GraphNode, b: GraphNode): number {
  return NATURAL.compare(a.name, b.name) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

const ALTERS = new Set([
  'host.registered',
  'host.changed',
  'host.cloned',
  'host.removed',
  'session.opened',
  'session.closed',
  'service.registered',
  'service.changed',
  'service.promoted',
  'service.deregistered',
  'service.removed',
  'model.installed',
  'model.removed',
]);

/** Whether a change of this type may have made another graph; how all of it does comes by the feed. */
export const altersGraph = ({ type }: { type: string }): boolean => ALTERS.has(type);
