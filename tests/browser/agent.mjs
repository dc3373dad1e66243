// A host that exists only on the wire, as a story wants it: its name, GPUs and models are what it is told.
// The conversation is the one of docs/schemas: hello, inventory, samples.
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';

const GIB = 2 ** 30;
const WELCOME_MS = 20_000;

export class Agent {
  #socket;
  #seq = 0;
  #timer;
  #facts;
  id = randomUUID();

  /** Joins the collector at `url` and samples every second. `models`: [{name, warm}]. */
  static async join(url, facts) {
    const agent = new Agent();
    agent.#facts = { role: 'worker', labels: {}, gpus: ['NVIDIA H200'], models: [], ...facts };
    const address = new URL('api/v1/agent', url);
    address.protocol = 'ws:';
    const socket = new WebSocket(address, 'herdbook.v1', { perMessageDeflate: false });
    agent.#socket = socket;
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no welcome')), WELCOME_MS);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the collector closed')));
      socket.on('open', () => agent.#say(agent.#hello()));
      socket.on('message', (text) => {
        const message = JSON.parse(text);
        if (message.type === 'refused') reject(new Error(message.message));
        if (message.type !== 'welcome') return;
        clearTimeout(timer);
        resolve();
      });
    });
    agent.tellInventory();
    agent.sample();
    agent.#timer = setInterval(() => agent.sample(), 1000);
    return agent;
  }

  /** What it has is now this; told at once. */
  tellInventory(over = {}) {
    Object.assign(this.#facts, over);
    this.#say({
      type: 'inventory',
      part: 1,
      parts: 1,
      system: {
        os: 'Debian 12',
        kernel: '6.1.0',
        arch: 'x86_64',
        cpu_model: 'AMD EPYC 9654',
        cpu_cores: 32,
        memory_total_bytes: 256 * GIB,
        boot_time: '2026-11-20T08:00:00.000Z',
      },
      addresses: ['10.0.0.7'],
      gpus: this.#facts.gpus.map((name, index) => this.#gpu(name, index)),
      services: [this.#service()],
    });
  }

  sample() {
    this.#say({
      type: 'sample',
      seq: this.#seq++,
      at: new Date().toISOString(),
      cpu_percent: 12.5,
      load1: 3.1,
      memory_used_bytes: 64 * GIB,
      memory_total_bytes: 256 * GIB,
      swap_used_bytes: 0,
      disk: { used_bytes: 400 * GIB, total_bytes: 1900 * GIB },
      gpus: this.#facts.gpus.map((_, index) => ({
        id: this.#gpuId(index),
        utilization_percent: 40,
        memory_used_bytes: 20 * GIB,
        temperature_celsius: 55,
        power_watts: 300,
        sm_clock_mhz: 1980,
        throttle_reasons: [],
        processes: [],
        missing: { fan_percent: 'not_supported' },
      })),
    });
  }

  /** Falls silent without a goodbye. */
  vanish() {
    clearInterval(this.#timer);
    this.#socket.removeAllListeners('close');
    this.#socket.terminate();
  }

  #hello() {
    const { name, role, labels } = this.#facts;
    return {
      type: 'hello',
      protocol: { min: 1, max: 1 },
      capabilities: [],
      host_id: this.id,
      instance_id: randomUUID(),
      boot_id: randomUUID(),
      agent_version: '0.1.0',
      name,
      role,
      labels,
      sample_interval_ms: 1000,
    };
  }

  #gpuId = (index) => `GPU-${this.id}-${index}`;

  #gpu(name, index) {
    return {
      id: this.#gpuId(index),
      index,
      vendor: 'nvidia',
      name,
      driver: '580.159',
      memory_kind: 'dedicated',
      memory_total_bytes: 80 * GIB,
      power_limit_watts: 700,
    };
  }

  #service() {
    const { models } = this.#facts;
    return {
      kind: 'ollama',
      address: '127.0.0.1',
      port: 11434,
      version: '0.33.0',
      state: models.some(({ warm }) => warm) ? 'resident' : 'idle',
      models: models.map(({ name, warm }) => ({
        name,
        digest: '46e0c10c',
        size_bytes: 5 * GIB,
        capabilities: ['completion'],
        warm,
        vram_bytes: warm ? 6 * GIB : null,
        remote: false,
      })),
    };
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
