// What stands for something in the picture: a node by itself, or a group of them.
import { isHeard, nWarmOf, toneOf, type Facts, type Tone } from './facts.ts';
import { count, plural } from '../format.ts';
import { titleOf, type Kind, type Node, type Topology } from './topology.ts';

export interface Drawn {
  id: string;
  kind: Kind;
  title: string;
  /** A word or two below the title. */
  detail: string;
  status: string | null;
  tone: Tone;
  /** Of a model: in memory on something that is drawn. */
  warm: boolean;
  /** What it stands for; `null` for a group. */
  node: Node | null;
  /** Of a group: the filter that shows its members. */
  filter: string | null;
}

export interface DrawnLink {
  from: string;
  to: string;
  /** How many links it stands for. */
  n: number;
  /** Those of them that lead from a service to a model which is in memory there. */
  nWarm: number;
}

export function single(node: Node, scope: Topology, facts: Facts): Drawn {
  const status = facts.status(node);
  const nWarm = node.kind === 'model' ? nWarmOf(node, scope, facts) : 0;
  const details: Record<Kind, string> = {
    collector: '',
    host: node.role ?? '',
    service: facts.server(node) ?? '',
    model: node.kind === 'model' ? whereabouts(node, scope, facts) : '',
  };
  return {
    id: node.id,
    kind: node.kind,
    title: titleOf(node, scope),
    detail: details[node.kind],
    status,
    tone: toneOf(status),
    warm: nWarm > 0,
    node,
    filter: null,
  };
}

/** It says of what: other views count hosts, which may have several services. */
function whereabouts(model: Node, scope: Topology, facts: Facts): string {
  const n = scope.before.get(model.id)?.length ?? 0;
  const nWarm = nWarmOf(model, scope, facts);
  const places = plural(n, 'service');
  if (nWarm > 0) return `warm on ${count(nWarm)} of ${places}`;
  return isHeard(model, scope, facts) ? `cold on ${places}` : `on ${places}, not heard`;
}
