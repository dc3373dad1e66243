// Development only: what samples and the full view tell of a simulated host.
import { GIB, isHeard } from './simulated.mjs';

export function resources(fleet, host, second, now_ms) {
  const total = host.gpu.n * host.gpu.vram;
  const { cpu, memory } = fleet.loads(host, second);
  const { gpu, vram } = fleet.means(host, second);
  return {
    at: new Date(now_ms).toISOString(),
    cpu_percent: cpu,
    load1: (cpu / 100) * host.cores,
    memory_used_bytes: Math.round((memory / 100) * host.memory),
    memory_total_bytes: host.memory,
    swap_used_bytes: 0,
    vram_used_bytes: total ? Math.round((vram / 100) * total) : null,
    vram_total_bytes: total || null,
    gpu_percent: gpu,
    network_receive_bytes_per_second: 1_200_000,
    network_transmit_bytes_per_second: 340_000,
    disk_used_bytes: 410 * GIB,
    disk_total_bytes: 1862 * GIB,
    pressure: { cpu_some_avg10: 0.4, memory_some_avg10: 0, io_some_avg10: 1.2 },
    missing: {},
  };
}

export function gpuShort(fleet, host, second) {
  return Array.from({ length: host.gpu.n }, (_, index) => {
    const [use, memory] = fleet.use(host, index, second);
    return {
      id: `GPU-${host.id}-${index}`,
      index,
      vendor: 'nvidia',
      name: host.gpu.name,
      driver: '580.159',
      memory_kind: 'dedicated',
      memory_total_bytes: host.gpu.vram,
      memory_used_bytes: Math.round((memory / 100) * host.gpu.vram),
      utilization_percent: use,
      temperature_celsius: Math.round(38 + use * 0.4),
      power_watts: Math.round(host.gpu.watts * (0.15 + use * 0.008)),
      power_limit_watts: host.gpu.watts,
      sm_clock_mhz: 1980,
      fan_percent: null,
      throttle_reasons: use > 90 ? ['power_cap'] : [],
      processes: use > 10 ? [{ pid: 4000 + index, name: 'ollama', memory_bytes: 8 * GIB }] : [],
      missing: { fan_percent: 'not_supported' },
    };
  });
}

const agoOf = (now_ms, ms) => new Date(now_ms - ms).toISOString();

export function detail(fleet, host, now_ms) {
  const second = Math.floor(now_ms / 1000);
  const heard = isHeard(host);
  return {
    ...fleet.summary(host, second, now_ms),
    revision: 3,
    notes: '',
    agent_version: '0.1.0',
    protocol: 1,
    first_seen: agoOf(now_ms, 40 * 86_400_000),
    clock_skew_ms: 12,
    latency_ms: 3,
    interval_ms: 1000,
    session: heard
      ? { id: 's', opened_at: agoOf(now_ms, 7.3e6), remote_address: '10.0.0.7' }
      : null,
    addresses: ['10.0.0.7', 'fd00::7'],
    system: {
      os: 'Debian GNU/Linux 12 (bookworm)',
      kernel: '6.1.0-28-amd64',
      arch: 'x86_64',
      cpu_model: 'AMD EPYC 9654 96-Core Processor',
      cpu_cores: host.cores,
      memory_total_bytes: host.memory,
      boot_time: agoOf(now_ms, 12 * 86_400_000),
    },
    resources: heard ? resources(fleet, host, second, now_ms) : null,
    gpus: gpuShort(fleet, host, second),
    services: [host.service_id],
    findings: host.finding
      ? [
          {
            ...host.finding,
            message: 'Seen by the agent of this host.',
            since: agoOf(now_ms, 240_000),
          },
        ]
      : [],
  };
}

export function serviceDetail(fleet, host, now_ms) {
  return {
    ...fleet.service(host),
    url: 'http://127.0.0.1:11434',
    last_error: null,
    models: host.models.map((model) => ({
      name: model.name,
      size_bytes: Math.round(model.size * GIB),
      parameters: model.parameters,
      quantization: 'Q4_K_M',
      context_length: 131072,
      warm: model.warm,
      vram_bytes: model.warm ? Math.round(model.size * 1.25 * GIB) : null,
      loaded_context_length: model.warm ? 8192 : null,
      expires_at: model.warm ? agoOf(now_ms, -280_000) : null,
      remote: false,
    })),
  };
}
