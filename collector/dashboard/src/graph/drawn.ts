// What stands for something in the picture: a node by itself, or a group of them.
import { nWarmOf, toneOf, type Facts, type Tone } from './facts.ts';
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
  const nServices = scope.before.get(node.id)?.length ?? 0;
  const details: Record<Kind, string> = {
    collector: '',
    host: node.role ?? '',
    service: facts.server(node) ?? '',
    model: nWarm > 0 ? `${nWarm} of ${nServices} warm` : `cold on ${nServices}`,
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
