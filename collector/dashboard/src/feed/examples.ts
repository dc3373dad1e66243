// Whole entities for tests: what a test does not care about has a plain value.
import type {
  Alert,
  Change,
  FleetFrame,
  FleetModel,
  HostSample,
  HostSummary,
  ListedModel,
  ServiceSummary,
  Snapshot,
} from './contract.ts';

export function aHost(id: string, over: Partial<HostSummary> = {}): HostSummary {
  return {
    id,
    name: id,
    status: 'online',
    role: 'worker',
    labels: {},
    finding: null,
    cpu_percent: null,
    memory_percent: null,
    vram_percent: null,
    gpus: [],
    warm: [],
    last_seen: null,
    ...over,
  };
}

export function aService(id: string, over: Partial<ServiceSummary> = {}): ServiceSummary {
  return {
    id,
    host_id: null,
    name: id,
    kind: 'ollama',
    status: 'healthy',
    state: 'idle',
    version: '0.33.0',
    reachable: 'host',
    n_models: 1,
    warm: [],
    ...over,
  };
}

export function aModel(name: string, over: Partial<FleetModel> = {}): FleetModel {
  return {
    name,
    services: [],
    hosts_installed: 0,
    hosts_warm: 0,
    digests: [],
    drift: false,
    size_bytes: null,
    vram_bytes: null,
    ...over,
  };
}

export function aListedModel(name: string, over: Partial<ListedModel> = {}): ListedModel {
  const variant = {
    digest: null,
    size_bytes: null,
    parameters: null,
    quantization: 'Q4_K_M',
    family: null,
    context_length: 131_072,
    capabilities: ['completion'],
    remote: false,
  };
  return { ...aModel(name), variants: [variant], ...over };
}

export function anAlert(id: string, over: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: 'host_offline',
    severity: 'critical',
    subject: { kind: 'host', id: 'a', name: 'a' },
    part: null,
    message: 'a is offline',
    cause: null,
    raised_at: '2026-11-21T10:00:00Z',
    resolved_at: null,
    ...over,
  };
}

export function aSample(host_id: string, over: Partial<HostSample> = {}): HostSample {
  return {
    host_id,
    last_seen: null,
    latency_ms: null,
    clock_skew_ms: null,
    resources: null,
    gpus: null,
    ...over,
  };
}

export const NO_COUNTS: Snapshot['counts'] = {
  hosts: {},
  services: {},
  gpus: 0,
  models_warm: 0,
  vram_used_bytes: 0,
  vram_total_bytes: 0,
};

export function aSnapshot(over: Partial<Snapshot> = {}): Snapshot {
  return {
    type: 'snapshot',
    epoch: 'e',
    seq: 1,
    at: '2026-11-21T10:00:00.000Z',
    hosts: [],
    services: [],
    fleet_models: [],
    alerts: [],
    counts: NO_COUNTS,
    notice: null,
    ...over,
  };
}

export function aChange(seq: number, type: string, over: Partial<Change> = {}): Change {
  return {
    epoch: 'e',
    seq,
    at: '2026-11-21T10:00:01.000Z',
    type,
    host_id: null,
    service_id: null,
    data: null,
    ...over,
  };
}

/** A fleet frame in which all four columns are this one. */
export function aFleetFrame(seq: number, column: (number | null)[]): FleetFrame {
  return {
    type: 'fleet',
    seq,
    n_hosts: column.length,
    cpu_percent: column,
    memory_percent: column,
    vram_percent: column,
    gpu_percent: column,
    counts: NO_COUNTS,
  };
}
