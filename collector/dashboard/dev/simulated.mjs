// Development only: a fleet that exists in memory and moves by itself. The same seed, the same fleet.

const GIB = 1024 ** 3;
const GPUS = [
  ['NVIDIA H200', 141, 700],
  ['NVIDIA H100 80GB HBM3', 80, 700],
  ['NVIDIA L40S', 48, 350],
  ['NVIDIA GeForce RTX 4090', 24, 450],
];
const MODELS = [
  ['llama3.1:8b', 4.6, '8.0B'],
  ['qwen3:32b', 18.8, '32.8B'],
  ['gpt-oss:120b', 60.9, '116.8B'],
  ['nomic-embed-text:latest', 0.26, '137M'],
  ['deepseek-r1:70b', 39.6, '70.6B'],
  ['gemma3:27b', 16.2, '27.4B'],
  ['mistral-small3.2:24b', 14.1, '24.0B'],
  ['llama3.3:70b-instruct-q8_0', 69.8, '70.6B'],
];

export class SimulatedFleet {
  #seed = 7;
  #seq = 100;
  #hosts = new Map();
  #epoch = `sim-${process.pid}`;

  constructor(n) {
    for (let i = 0; i < n; i++) {
      const host = this.#make(i, n);
      this.#hosts.set(host.id, host);
    }
  }

  #random() {
    this.#seed = (this.#seed * 1103515245 + 12345) % 2147483648;
    return this.#seed / 2147483648;
  }

  #make(i, n) {
    const kind = Math.floor(this.#random() * GPUS.length);
    const [name, vram, watts] = GPUS[kind];
    const n_gpus = i % 11 === 10 ? 0 : [8, 4, 2, 1][kind];
    const status = n < 4 ? 'online' : this.#status(i);
    const models = MODELS.filter(() => this.#random() < 0.6).map(([model, size, parameters]) => ({
      name: model,
      size,
      parameters,
      warm: status === 'online' && n_gpus > 0 && size < vram && this.#random() < 0.35,
    }));
    if (n < 4 && models[0]) models[0].warm = true;
    return {
      i,
      id: (0x0199f300000 + i * 7919).toString(16).padStart(12, '0') + '7c3e9ad1',
      name: i === 13 ? 'gpu-\u202Eevil\u200B' : `gpu-${i + 1}`,
      status,
      role: i % 17 === 3 ? 'canary' : 'worker',
      labels: { zone: 'abc'[i % 3], ...(i % 4 === 0 ? { rack: `r${i % 40}` } : {}) },
      gpu: { name, vram: vram * GIB, watts, n: n_gpus },
      memory: (n_gpus >= 4 ? 1008 : 251) * GIB,
      cores: n_gpus >= 4 ? 192 : 32,
      finding: status === 'degraded' ? FINDINGS[i % FINDINGS.length] : null,
      models,
      loads: { cpu: 20 + 30 * this.#random(), memory: 30 + 40 * this.#random() },
      used: Array.from({ length: n_gpus }, () => [100 * this.#random(), 30 + 60 * this.#random()]),
      last_seen: Date.now() - (status === 'online' ? 0 : 60_000 + i * 9000),
    };
  }

  #status(i) {
    if (i % 23 === 5) return 'degraded';
    if (i % 41 === 7) return 'stale';
    if (i % 37 === 11) return 'offline';
    return i % 199 === 50 ? 'unknown' : 'online';
  }

  #heard = (host) => host.status === 'online' || host.status === 'degraded';

  tick() {
    const walk = (value, step) => Math.min(99, Math.max(1, value + (this.#random() - 0.5) * step));
    for (const host of this.#hosts.values()) {
      if (!this.#heard(host)) continue;
      host.loads.cpu = walk(host.loads.cpu, 9);
      host.loads.memory = walk(host.loads.memory, 1);
      host.last_seen = Date.now();
      for (const gpu of host.used) {
        gpu[0] = walk(gpu[0], 24);
        gpu[1] = walk(gpu[1], 1);
      }
    }
  }

  #summary(host) {
    const heard = this.#heard(host);
    return {
      id: host.id,
      name: host.name,
      status: host.status,
      role: host.role,
      labels: host.labels,
      finding: host.finding,
      cpu_percent: heard ? host.loads.cpu : null,
      memory_percent: heard ? host.loads.memory : null,
      vram_percent: heard ? mean(host.used, 1) : null,
      gpus: host.used.map(([use, memory]) => (heard ? [use, memory] : [null, null])),
      warm: heard
        ? host.models
            .filter((model) => model.warm)
            .map((model) => model.name)
            .sort()
        : [],
      last_seen: new Date(host.last_seen).toISOString(),
    };
  }

  #service(host) {
    const warm = host.models
      .filter((model) => model.warm)
      .map((model) => model.name)
      .sort();
    const heard = this.#heard(host);
    const state =
      host.finding?.code === 'model_server_hung' ? 'hung' : warm.length ? 'busy' : 'idle';
    return {
      id: `${host.name}:11434`,
      host_id: host.id,
      name: host.name,
      kind: 'ollama',
      status: heard ? (state === 'hung' ? 'unhealthy' : 'healthy') : 'unknown',
      state: heard ? state : null,
      version: host.i % 9 === 4 ? '0.9.6' : '0.33.0',
      reachable: host.i % 3 === 1 ? 'loopback' : 'host',
      n_models: host.models.length,
      warm: heard ? warm : [],
    };
  }

  snapshot() {
    const hosts = [...this.#hosts.values()];
    const fleet_models = MODELS.map(([name]) => ({
      name,
      services: hosts
        .filter((host) => host.models.some((model) => model.name === name))
        .map((host) => `${host.name}:11434`),
    }));
    return {
      type: 'snapshot',
      view: 'summary',
      epoch: this.#epoch,
      seq: this.#seq,
      at: new Date().toISOString(),
      hosts: hosts.map((host) => this.#summary(host)),
      services: hosts.map((host) => this.#service(host)),
      fleet_models,
      alerts: [],
      counts: this.#counts(),
    };
  }

  #counts() {
    let used = 0;
    let total = 0;
    for (const host of this.#hosts.values()) {
      total += host.gpu.n * host.gpu.vram;
      for (const [, memory] of host.used) used += (memory / 100) * host.gpu.vram;
    }
    return { vram_used_bytes: Math.round(used), vram_total_bytes: total };
  }

  change() {
    const hosts = [...this.#hosts.values()];
    this.#seq++;
    const base = {
      epoch: this.#epoch,
      seq: this.#seq,
      at: new Date().toISOString(),
    };
    const host = hosts[Math.floor(this.#random() * hosts.length)];
    const model = host?.models[Math.floor(this.#random() * host.models.length)];
    if (!model || !this.#heard(host) || hosts.length < 4) {
      const change = { ...base, type: 'session.opened', host_id: null, service_id: null, data: {} };
      return { type: 'change', change };
    }
    model.warm = !model.warm;
    const change = {
      ...base,
      type: model.warm ? 'model.loaded' : 'model.unloaded',
      host_id: host.id,
      service_id: `${host.name}:11434`,
      model: model.name,
      data: { name: model.name, warm: model.warm },
    };
    return { type: 'change', change };
  }

  columns() {
    const hosts = [...this.#hosts.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const column = (value) => hosts.map((host) => (this.#heard(host) ? value(host) : null));
    return {
      type: 'fleet',
      seq: this.#seq,
      n_hosts: hosts.length,
      cpu_percent: column((host) => host.loads.cpu),
      memory_percent: column((host) => host.loads.memory),
      vram_percent: column((host) => mean(host.used, 1)),
      gpu_percent: column((host) => mean(host.used, 0)),
      counts: this.#counts(),
    };
  }

  samples(ids) {
    const hosts = ids.map((id) => this.#hosts.get(id)).filter((host) => host && this.#heard(host));
    const samples = hosts.map((host) => ({
      host_id: host.id,
      last_seen: new Date().toISOString(),
      latency_ms: 1 + (host.i % 5),
      resources: this.#resources(host),
      gpus: this.#gpus(host),
    }));
    return { type: 'samples', seq: this.#seq, samples, services: [] };
  }

  #resources(host) {
    const total = host.gpu.n * host.gpu.vram;
    return {
      at: new Date().toISOString(),
      cpu_percent: host.loads.cpu,
      load1: (host.loads.cpu / 100) * host.cores,
      memory_used_bytes: Math.round((host.loads.memory / 100) * host.memory),
      memory_total_bytes: host.memory,
      swap_used_bytes: 0,
      vram_used_bytes: total ? Math.round((mean(host.used, 1) / 100) * total) : null,
      vram_total_bytes: total || null,
      gpu_percent: mean(host.used, 0),
      network_receive_bytes_per_second: 1_200_000,
      network_transmit_bytes_per_second: 340_000,
      disk_used_bytes: 410 * GIB,
      disk_total_bytes: 1862 * GIB,
      pressure: { cpu_some_avg10: 0.4, memory_some_avg10: 0, io_some_avg10: 1.2 },
      missing: {},
    };
  }

  #gpus(host) {
    return host.used.map(([use, memory], index) => ({
      id: `GPU-${host.id}-${index}`,
      index,
      vendor: 'nvidia',
      name: host.gpu.name,
      driver: '580.159',
      memory_kind: 'dedicated',
      memory_total_bytes: host.gpu.vram,
      memory_used_bytes: Math.round((memory / 100) * host.gpu.vram),
      utilization_percent: Math.round(use),
      temperature_celsius: Math.round(38 + use * 0.4),
      power_watts: host.gpu.watts * (0.15 + use * 0.008),
      power_limit_watts: host.gpu.watts,
      sm_clock_mhz: 1980,
      fan_percent: null,
      throttle_reasons: use > 90 ? ['power_cap'] : [],
      processes: use > 10 ? [{ pid: 4000 + index, name: 'ollama', memory_bytes: 8 * GIB }] : [],
      missing: { fan_percent: 'not_supported' },
    }));
  }

  host(id) {
    const host = this.#hosts.get(id);
    if (!host) return null;
    const heard = this.#heard(host);
    return {
      ...this.#summary(host),
      revision: 3,
      notes: '',
      agent_version: '0.1.0',
      protocol: 1,
      first_seen: new Date(Date.now() - 40 * 86_400_000).toISOString(),
      clock_skew_ms: 12,
      latency_ms: 3,
      interval_ms: 1000,
      session: heard
        ? {
            id: 's',
            opened_at: new Date(Date.now() - 7.3e6).toISOString(),
            remote_address: '10.0.0.7',
          }
        : null,
      addresses: ['10.0.0.7', 'fd00::7'],
      system: {
        os: 'Debian GNU/Linux 12 (bookworm)',
        kernel: '6.1.0-28-amd64',
        arch: 'x86_64',
        cpu_model: 'AMD EPYC 9654 96-Core Processor',
        cpu_cores: host.cores,
        memory_total_bytes: host.memory,
        boot_time: new Date(Date.now() - 12 * 86_400_000).toISOString(),
      },
      resources: heard ? this.#resources(host) : null,
      gpus: this.#gpus(host),
      services: [`${host.name}:11434`],
      findings: host.finding
        ? [
            {
              ...host.finding,
              message: 'Seen by the agent of this host.',
              since: new Date(Date.now() - 240_000).toISOString(),
            },
          ]
        : [],
    };
  }

  servicesOf(id) {
    const host = this.#hosts.get(id);
    if (!host) return [];
    return [
      {
        ...this.#service(host),
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
          expires_at: model.warm ? new Date(Date.now() + 280_000).toISOString() : null,
          remote: false,
        })),
      },
    ];
  }
}

const FINDINGS = [
  { code: 'gpu_lost', severity: 'critical' },
  { code: 'model_server_hung', severity: 'warning' },
  { code: 'disk_full', severity: 'warning' },
];

function mean(pairs, at) {
  return pairs.length ? pairs.reduce((sum, pair) => sum + pair[at], 0) / pairs.length : null;
}
