// What crosses the live feed (`api/v1/live?view=summary`) and the two REST calls of the page.
// These are the collector's words and shapes; the page adds none of its own here.

export type HostStatus = 'unknown' | 'online' | 'degraded' | 'stale' | 'offline';
export type ServiceStatus = 'healthy' | 'unknown' | 'degraded' | 'unhealthy' | 'down' | 'draining';
export type ServiceState = 'idle' | 'resident' | 'loading' | 'busy' | 'hung' | 'down';
export type Reachable = 'loopback' | 'host' | 'collector' | 'unknown';
export type Severity = 'critical' | 'warning' | 'info';
export type Missing = Record<string, string>;

export interface HostSummary {
  id: string;
  name: string;
  status: HostStatus;
  role: string;
  labels: Record<string, string>;
  finding: { code: string; severity: Severity } | null;
  cpu_percent: number | null;
  memory_percent: number | null;
  vram_percent: number | null;
  /** Per GPU: utilisation and share of its memory. `null` = the host cannot tell. */
  gpus: [number | null, number | null][] | null;
  warm: string[];
  last_seen: string | null;
}

export interface ServiceSummary {
  id: string;
  host_id: string | null;
  name: string;
  kind: string;
  status: ServiceStatus;
  state: ServiceState | null;
  version: string | null;
  reachable: Reachable;
  n_models: number;
  warm: string[];
}

export interface FleetModel {
  name: string;
  services: string[];
}

export interface Counts {
  gpus?: number | null;
  vram_used_bytes?: number | null;
  vram_total_bytes?: number | null;
}

export interface Resources {
  at: string | null;
  cpu_percent: number | null;
  load1: number | null;
  memory_used_bytes: number | null;
  memory_total_bytes: number | null;
  swap_used_bytes: number | null;
  vram_used_bytes: number | null;
  vram_total_bytes: number | null;
  gpu_percent: number | null;
  network_receive_bytes_per_second: number | null;
  network_transmit_bytes_per_second: number | null;
  disk_used_bytes: number | null;
  disk_total_bytes: number | null;
  missing?: Missing;
}

export interface GpuProcess {
  pid: number;
  name: string | null;
  memory_bytes: number | null;
  unit?: string | null;
  container?: string | null;
  mig_id?: string | null;
  missing?: Missing;
}

export interface Gpu {
  id: string;
  index: number;
  vendor: string;
  name: string;
  driver: string | null;
  memory_kind: string | null;
  memory_total_bytes: number | null;
  memory_used_bytes: number | null;
  utilization_percent: number | null;
  temperature_celsius: number | null;
  power_watts: number | null;
  power_limit_watts: number | null;
  sm_clock_mhz: number | null;
  fan_percent: number | null;
  throttle_reasons: string[] | null;
  processes: GpuProcess[] | null;
  missing?: Missing;
}

export interface Snapshot {
  type: 'snapshot';
  epoch: string;
  seq: number;
  at: string;
  hosts: HostSummary[];
  services: ServiceSummary[];
  fleet_models: FleetModel[];
  counts?: Counts;
}

/** What happened, as `entity.verb`, and its whole entity after it. */
export interface Change {
  epoch: string;
  seq: number;
  at: string;
  type: string;
  host_id: string | null;
  service_id: string | null;
  model?: string | null;
  data: unknown;
}

export interface ChangeFrame {
  type: 'change';
  change: Change;
}

export interface HostSample {
  host_id: string;
  last_seen: string | null;
  latency_ms: number | null;
  resources: Resources | null;
  gpus: Gpu[] | null;
}

export interface Samples {
  type: 'samples';
  seq: number;
  samples: HostSample[];
}

export interface FleetFrame {
  type: 'fleet';
  seq: number;
  n_hosts: number;
  cpu_percent: (number | null)[];
  memory_percent: (number | null)[];
  vram_percent: (number | null)[];
  gpu_percent: (number | null)[];
  counts?: Counts;
}

export type Frame = Snapshot | ChangeFrame | Samples | FleetFrame;

export interface Watch {
  type: 'watch';
  hosts: string[];
  services: string[];
  samples_per_second: number;
}

/** The most hosts that one watch may name. */
export const WATCH_LIMIT = 500;

export interface Finding {
  code: string;
  severity: Severity;
  message: string | null;
  since: string | null;
}

/** A GPU in the full view; what samples bring has none of these. */
export interface FullGpu extends Gpu {
  cuda_version?: string | null;
  compute_capability?: string | null;
  pci_address?: string | null;
  pcie_generation_max?: number | null;
  pcie_width_max?: number | null;
  ecc_enabled?: boolean | null;
  mig_enabled?: boolean | null;
  mig?: { id: string; index: number; profile: string | null; memory_total_bytes: number | null }[];
}

/** How far an address reaches; an open word. */
export interface Address {
  address: string;
  interface: string | null;
  scope: string;
  is_own_end: boolean;
}

export interface HostDetail {
  id: string;
  name: string;
  notes?: string | null;
  agent_version: string | null;
  first_seen: string | null;
  clock_skew_ms: number | null;
  latency_ms: number | null;
  interval_ms: number | null;
  session: { opened_at: string | null; remote_address: string | null } | null;
  addresses: string[] | null;
  address_details?: Address[];
  system: {
    os: string | null;
    kernel: string | null;
    arch: string | null;
    cpu_model: string | null;
    cpu_cores: number | null;
    memory_total_bytes: number | null;
    boot_time: string | null;
    container?: string | null;
  } | null;
  resources: Resources | null;
  gpus: FullGpu[] | null;
  findings: Finding[] | null;
}

export interface Model {
  name: string;
  size_bytes: number | null;
  parameters: string | null;
  quantization: string | null;
  context_length: number | null;
  warm: boolean | null;
  loading?: boolean | null;
  vram_bytes: number | null;
  loaded_context_length: number | null;
  expires_at: string | null;
  keep?: string | null;
  remote?: boolean | null;
}

export interface ServiceDetail {
  id: string;
  name: string;
  kind: string;
  url: string;
  status: ServiceStatus;
  state: ServiceState | null;
  version: string | null;
  reachable: Reachable;
  last_error: string | null;
  state_told_by?: string | null;
  asks_credential?: boolean | null;
  exposed?: boolean;
  unit?: string | null;
  container?: string | null;
  gpu_ids?: string[];
  requests_running?: number | null;
  queue_depth?: number | null;
  findings?: Finding[];
  models: Model[] | null;
}
