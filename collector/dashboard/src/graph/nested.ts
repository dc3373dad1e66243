// The graph as a list that nests: each host with what runs there, each service with its models.
import { nWarmOf, toneOf, type Facts, type Tone } from './facts.ts';
import { titleOf, type Node, type Topology } from './topology.ts';

export interface ListedService {
  node: Node;
  title: string;
  status: string | null;
  tone: Tone;
  server: string | null;
  /** Those in memory first. */
  models: { node: Node; warm: boolean }[];
}

export interface ListedHost {
  node: Node;
  status: string | null;
  tone: Tone;
  services: ListedService[];
  nModels: number;
  nWarm: number;
}

export interface ListedModel {
  node: Node;
  nServices: number;
  nWarm: number;
}

export interface Nested {
  hosts: ListedHost[];
  /** Services of which no host is known. */
  services: ListedService[];
  models: ListedModel[];
}

export function nestedOf(scope: Topology, facts: Facts): Nested {
  const nodes = [...scope.nodes.values()];
  const after = (node: Node) => (scope.after.get(node.id) ?? []).map((id) => scope.nodes.get(id)!);
  const service = (node: Node): ListedService => {
    const models = after(node).map((model) => ({ node: model, warm: facts.isWarm(node, model) }));
    const status = facts.status(node);
    models.sort((a, b) => Number(b.warm) - Number(a.warm));
    const title = titleOf(node, scope);
    return { node, title, status, tone: toneOf(status), server: facts.server(node), models };
  };
  const host = (node: Node): ListedHost => {
    const services = after(node).map(service);
    const models = services.flatMap((one) => one.models);
    const names = new Set(models.map((model) => model.node.id));
    const warm = new Set(models.filter((model) => model.warm).map((model) => model.node.id));
    const status = facts.status(node);
    const [nModels, nWarm] = [names.size, warm.size];
    return { node, status, tone: toneOf(status), services, nModels, nWarm };
  };
  const kind = (wanted: Node['kind']) => nodes.filter((node) => node.kind === wanted);
  return {
    hosts: kind('host').map(host),
    services: kind('service')
      .filter((node) => !scope.before.has(node.id))
      .map(service),
    models: kind('model').map((node) => ({
      node,
      nServices: scope.before.get(node.id)?.length ?? 0,
      nWarm: nWarmOf(node, scope, facts),
    })),
  };
}
