// Which part of the graph is drawn, and what is drawn as one. A picture of thousands of hosts tells
// nothing, so beyond some hundreds what is alike becomes a group that leads to its members.
import { single, type Drawn, type DrawnLink } from './drawn.ts';
import type { Facts } from './facts.ts';
import { matches, termsOf } from './filter.ts';
import { grouped } from './groups.ts';
import { lineage, neighboursOf, type Neighbours, type Topology } from './topology.ts';

export const NODES_MOST = 300;
export const LINKS_MOST = 2000;

export interface Drawing extends Neighbours {
  nodes: readonly Drawn[];
  links: readonly DrawnLink[];
  /** Whether groups are among the nodes. */
  isGrouped: boolean;
}

/** What matches the filter within the lineage of the focus, and the ways that lead to it. */
export function scopeOf(topology: Topology, facts: Facts, filter: string, focus: string): Topology {
  const terms = termsOf(filter);
  const focused = topology.nodes.has(focus);
  if (terms.length === 0 && !focused) return topology;
  const near = focused ? lineage(topology, [focus]) : null;
  const kept = near ? part(topology, near) : topology;
  if (terms.length === 0) return kept;
  const found = [...kept.nodes.values()].filter((node) => matches(node, facts, terms));
  return part(
    kept,
    lineage(
      kept,
      found.map((node) => node.id),
    ),
  );
}

function part(of: Topology, ids: ReadonlySet<string>): Topology {
  const nodes = new Map([...of.nodes].filter(([id]) => ids.has(id)));
  const links = of.links.filter(({ from, to }) => ids.has(from) && ids.has(to));
  return { nodes, links, ...neighboursOf(links) };
}

export function drawingOf(scope: Topology, facts: Facts, focus: string): Drawing {
  const isGrouped = scope.nodes.size > NODES_MOST || scope.links.length > LINKS_MOST;
  const { nodes, links } = isGrouped ? grouped(scope, facts, focus) : whole(scope, facts);
  return { nodes, links, isGrouped, ...neighboursOf(links) };
}

function whole(scope: Topology, facts: Facts): Pick<Drawing, 'nodes' | 'links'> {
  const nodes = [...scope.nodes.values()].map((node) => single(node, scope, facts));
  const links = scope.links.map(({ from, to }) => {
    const [left, right] = [scope.nodes.get(from)!, scope.nodes.get(to)!];
    const isWarm = right.kind === 'model' && facts.isWarm(left, right);
    return { from, to, n: 1, nWarm: Number(isWarm) };
  });
  return { nodes, links };
}
