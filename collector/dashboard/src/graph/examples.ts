// Graphs for tests.
import type { Graph, GraphNode } from '../feed/contract.ts';
import type { Facts } from './facts.ts';

export function aGraph(services: Record<string, string[]>, hosts: Record<string, string[]>): Graph {
  const node = (id: string, kind: string, over: Partial<GraphNode> = {}): GraphNode => {
    return { id, name: id, kind, role: null, status: null, domain: null, ...over };
  };
  const models = [...new Set(Object.values(services).flat())];
  const link = (source: string, target: string, type: string) => {
    return { source, target, type, session_id: null };
  };
  return {
    nodes: [
      node('collector', 'collector'),
      ...Object.keys(hosts).map((id) => node(id, 'host', { role: 'worker', status: 'online' })),
      ...Object.keys(services).map((id) => node(id, 'service', { status: 'healthy' })),
      ...models.map((name) => node(`model:${name}`, 'model', { name })),
    ],
    links: [
      ...Object.keys(hosts).map((id) => link(id, 'collector', 'session')),
      ...Object.entries(hosts).flatMap(([id, run]) => run.map((to) => link(id, to, 'runs'))),
      ...Object.entries(services).flatMap(([id, names]) =>
        names.map((name) => link(id, `model:${name}`, 'serves')),
      ),
    ],
  };
}

/** Statuses as the graph tells them, and nothing in memory. */
export const COLD: Facts = {
  status: (node) => node.status,
  server: (node) => (node.kind === 'service' ? 'ollama' : null),
  isWarm: () => false,
};

/** So many hosts, each with a service that has these models. */
export function aFleet(n: number, models: string[]): Graph {
  const ids = Array.from({ length: n }, (_, i) => i);
  return aGraph(
    Object.fromEntries(ids.map((i) => [`s${i}`, models])),
    Object.fromEntries(ids.map((i) => [`h${i}`, [`s${i}`]])),
  );
}
