// Development only: a fleet that exists in memory, made from a seed, and what of it is known at any
// second of a loop: the same seed and the same second, the same values. It moves only in that sense;
// what happens to it (`recording.mjs`) changes `status`, `finding` and `warm` of its hosts.
import { generator, noise, uuid } from './random.mjs';
import { detail, gpuShort, resources, serviceDetail } from './detail.mjs';

export const GIB = 1024 ** 3;
/** After as many seconds all values are those of the first one. */
export const LOOP_S = 120;

const GPUS = [
  ['NVIDIA H200', 141, 700, 8],
  ['NVIDIA H100 80GB HBM3', 80, 700, 4],
  ['NVIDIA L40S', 48, 350, 2],
  ['NVIDIA GeForce RTX 4090', 24, 450, 1],
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
/** As many names more in a large fleet, each of them rare. */
const RARE_MODELS = 250;
export const FINDINGS = [
  { code: 'gpu_lost', severity: 'critical' },
  { code: 'model_server_hung', severity: 'warning' },
  { code: 'disk_full', severity: 'warning' },
];

export const tenth = (value) => Math.round(value * 10) / 10;
export const isHeard = (host) => host.status === 'online' || host.status === 'degraded';
export const warmOf = (host) =>
  host.models
    .filter((model) => model.warm)
    .map((model) => model.name)
    .sort();

export class SimulatedFleet {
  hosts;
  #byId;
  #random;

  constructor(n, seed = 7) {
    this.#random = generator(seed);
    this.hosts = Array.from({ length: n }, (_, i) => this.#make(i, n));
    this.#byId = new Map(this.hosts.map((host) => [host.id, host]));
  }

  get(id) {
    return this.#byId.get(id);
  }

  #make(i, n) {
    const kind = Math.floor(this.#random() * GPUS.length);
    const [name, vram, watts, n_gpus] = GPUS[kind];
    const status = n < 4 ? 'online' : statusOf(i);
    return {
      i,
      id: uuid(this.#random),
      service_id: uuid(this.#random),
      name: nameOf(i),
      status,
      role: i % 17 === 3 ? 'canary' : 'worker',
      labels: {
        zone: 'abc'[i % 3],
        ...(i % 4 === 0 ? { rack: `r${i % 40}` } : {}),
        ...(i === 17 ? { [LONG]: LONG } : {}),
      },
      gpu: { name, vram: vram * GIB, watts, n: i % 11 === 10 ? 0 : n_gpus },
      memory: (n_gpus >= 4 ? 1008 : 251) * GIB,
      cores: n_gpus >= 4 ? 192 : 32,
      finding: status === 'degraded' ? FINDINGS[i % FINDINGS.length] : null,
      drain: i % 29 === 4,
      expected_absent: status === 'offline' && i % 2 === 0,
      models: this.#models(vram, n, i % 11 !== 10 && status === 'online'),
      unheard_s: status === 'online' ? 0 : 60 + i * 9,
    };
  }

  #models(vram, n, mayLoad) {
    const names = MODELS.filter(() => this.#random() < 0.5);
    if (n > 200 && this.#random() < 0.5) {
      names.push([`lab/model-${Math.floor(this.#random() * RARE_MODELS)}:7b`, 4.1, '7.2B']);
    }
    if (n > 17 && n < 200 && this.#random() < 0.3) names.unshift([LONG, 2, '3B']);
    return names.map(([name, size, parameters], at) => {
      const warm = mayLoad && size < vram && (this.#random() < 0.35 || (n < 4 && at === 0));
      return { name, size, parameters, warm };
    });
  }

  /** Percent of a host at a second: CPU and memory. */
  loads(host, second) {
    const cpu = wave(host.i * 8 + 1, second, 35, 25) + 6 * (noise(host.i, second % LOOP_S) - 0.5);
    return { cpu: tenth(Math.max(0, cpu)), memory: tenth(wave(host.i * 8 + 2, second, 50, 6)) };
  }

  /** Percent of a GPU at a second: how busy it is, and how full its memory. */
  use(host, gpu, second) {
    const id = host.i * 64 + gpu;
    const use = wave(id * 3 + 5, second, 50, 55) + 10 * (noise(id, second % LOOP_S) - 0.5);
    return [tenth(Math.min(100, Math.max(0, use))), tenth(wave(id * 3 + 6, second, 60, 2))];
  }

  /** The means over a host's GPUs. */
  means(host, second) {
    if (host.gpu.n === 0) return { gpu: null, vram: null };
    let [gpu, vram] = [0, 0];
    for (let i = 0; i < host.gpu.n; i++) {
      const [use, memory] = this.use(host, i, second);
      gpu += use;
      vram += memory;
    }
    return { gpu: tenth(gpu / host.gpu.n), vram: tenth(vram / host.gpu.n) };
  }

  summary(host, second, now_ms) {
    const heard = isHeard(host);
    const { cpu, memory } = this.loads(host, second);
    const gpus = Array.from({ length: host.gpu.n }, (_, i) =>
      heard ? this.use(host, i, second) : [null, null],
    );
    return {
      id: host.id,
      name: host.name,
      status: host.status,
      role: host.role,
      labels: host.labels,
      finding: host.finding,
      cpu_percent: heard ? cpu : null,
      memory_percent: heard ? memory : null,
      vram_percent: heard ? this.means(host, second).vram : null,
      gpus,
      warm: heard ? warmOf(host) : [],
      last_seen: new Date(now_ms - host.unheard_s * 1000).toISOString(),
      ...(host.drain ? { drain: true } : {}),
      ...(host.expected_absent ? { expected_absent: true } : {}),
    };
  }

  service(host) {
    const warm = warmOf(host);
    const heard = isHeard(host);
    return {
      id: host.service_id,
      host_id: host.id,
      name: `${host.name}:11434`,
      kind: 'ollama',
      status: serviceStatus(host),
      state: heard ? (isHung(host) ? 'hung' : warm.length ? 'busy' : 'idle') : null,
      version: host.i % 9 === 4 ? '0.9.6' : '0.33.0',
      reachable: host.i % 3 === 1 ? 'loopback' : 'host',
      n_models: host.models.length,
      warm: heard ? warm : [],
    };
  }

  models() {
    const models = new Map();
    for (const host of this.hosts) {
      for (const { name, size, warm } of host.models) {
        const model = models.get(name) ?? aModel(name, size);
        models.set(name, model);
        model.services.push(host.service_id);
        model.hosts_installed++;
        if (warm && isHeard(host)) model.hosts_warm++;
      }
    }
    return [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  counts(second, vramOf = (host) => this.means(host, second).vram) {
    const counts = {
      hosts: { online: 0, degraded: 0, stale: 0, offline: 0, unknown: 0 },
      services: {},
      gpus: 0,
      vram_used_bytes: 0,
      vram_total_bytes: 0,
      models_warm: 0,
    };
    for (const host of this.hosts) {
      counts.hosts[host.status]++;
      const status = serviceStatus(host);
      counts.services[status] = (counts.services[status] ?? 0) + 1;
      counts.gpus += host.gpu.n;
      if (!isHeard(host)) continue;
      const total = host.gpu.n * host.gpu.vram;
      counts.vram_total_bytes += total;
      counts.vram_used_bytes += Math.round(((vramOf(host) ?? 0) / 100) * total);
      for (const model of host.models) if (model.warm) counts.models_warm++;
    }
    return counts;
  }

  sample(host, second, now_ms) {
    return {
      host_id: host.id,
      last_seen: new Date(now_ms).toISOString(),
      latency_ms: 1 + (host.i % 5),
      clock_skew_ms: 12,
      resources: resources(this, host, second, now_ms),
      gpus: gpuShort(this, host, second),
    };
  }

  detail = (id, now_ms) => {
    const host = this.get(id);
    return host ? detail(this, host, now_ms) : null;
  };

  servicesOf = (id, now_ms) => {
    const host = this.get(id);
    return host ? [serviceDetail(this, host, now_ms)] : [];
  };
}

const isHung = (host) => host.finding?.code === 'model_server_hung';

function serviceStatus(host) {
  if (!isHeard(host)) return 'unknown';
  return isHung(host) ? 'unhealthy' : 'healthy';
}

/** As long as a name may be. */
const LONG = 'long-'.repeat(51);

function nameOf(i) {
  if (i === 13) return 'gpu-\u202Eevil\u200B';
  return i === 17 ? LONG : `gpu-${i + 1}`;
}

function statusOf(i) {
  if (i % 23 === 5) return 'degraded';
  if (i % 41 === 7) return 'stale';
  if (i % 37 === 11) return 'offline';
  return i % 199 === 50 ? 'unknown' : 'online';
}

function aModel(name, size) {
  return {
    name,
    services: [],
    hosts_installed: 0,
    hosts_warm: 0,
    digests: [],
    drift: false,
    size_bytes: Math.round(size * GIB),
    vram_bytes: Math.round(size * 1.25 * GIB),
  };
}

const SINES = Array.from({ length: LOOP_S }, (_, i) => Math.sin((2 * Math.PI * i) / LOOP_S));

/** A slow wave around a middle, different for each id, that ends where it began after a loop. */
function wave(id, second, middle, width) {
  const own = noise(id, 1);
  const cycles = 1 + Math.floor(own * 4);
  const shift = Math.floor(((own * 97) % 1) * LOOP_S);
  const around = middle + (((own * 31) % 1) - 0.5) * width;
  const value = around + 0.4 * width * SINES[(cycles * second + shift) % LOOP_S];
  return Math.min(99, Math.max(1, value));
}
