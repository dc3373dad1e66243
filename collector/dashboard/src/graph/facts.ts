// What moves about a node while the graph stays the same: its status, which program serves, and where
// a model is in memory. It comes by the live feed.
import type { Fleet } from '../feed/fold.ts';
import { entityOf, type Node, type Topology } from './topology.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

export interface Facts {
  status: (node: Node) => string | null;
  /** What kind of server a service is: `ollama`. */
  server: (node: Node) => string | null;
  isWarm: (service: Node, model: Node) => boolean;
}

/** `isConnected`: whether the collector itself is heard. */
export function factsOf(fleet: Fleet | null, isConnected = true): Facts {
  const service = (node: Node) => fleet?.services.get(entityOf(node));
  return {
    status: (node) => {
      if (node.kind === 'host') return fleet?.hosts.get(node.id)?.status ?? node.status;
      if (node.kind === 'service') return service(node)?.status ?? node.status;
      return node.kind === 'collector' && !isConnected ? 'unknown' : node.status;
    },
    server: (node) => (node.kind === 'service' ? (service(node)?.kind ?? null) : null),
    isWarm: (of, model) => service(of)?.warm.includes(model.name) ?? false,
  };
}

/** All that facts tell, as one text: another one where something is drawn in another way. Most of what a
    fleet tells, as how busy a service is, is not drawn. */
export function drawnOf(fleet: Fleet | null): string {
  const told: unknown[] = [];
  for (const { id, status } of fleet?.hosts.values() ?? []) told.push(id, status);
  for (const { id, status, kind, warm } of fleet?.services.values() ?? []) {
    told.push(id, status, kind, warm);
  }
  return JSON.stringify(told);
}

/** On how many of these services a model is in memory. */
export function nWarmOf(model: Node, { nodes, before }: Topology, facts: Facts): number {
  const services = (before.get(model.id) ?? []).map((id) => nodes.get(id)!);
  return services.filter((service) => facts.isWarm(service, model)).length;
}

/** Whether anybody tells how one of the services of a model does. */
export function isHeard(model: Node, { nodes, before }: Topology, facts: Facts): boolean {
  const tones = (before.get(model.id) ?? []).map((id) => toneOf(facts.status(nodes.get(id)!)));
  return tones.some((tone) => tone === 'good' || tone === 'warn');
}

const TONES: Record<string, Tone> = {
  online: 'good',
  healthy: 'good',
  degraded: 'warn',
  stale: 'warn',
  draining: 'warn',
  offline: 'bad',
  unhealthy: 'bad',
  down: 'bad',
};

export const toneOf = (status: string | null): Tone => TONES[status ?? ''] ?? 'idle';
