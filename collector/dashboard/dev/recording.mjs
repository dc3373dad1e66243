// Development only: a recorded feed. All frames of a loop are made once from a seed: a snapshot, a fleet
// frame every 2 s, and what happens, at an even rate. The second half of the loop takes back what the
// first half did, so that the loop can be played for ever and the fold of the page stays true. Only
// `epoch`, `seq` and times are filled in while it is played.
import { generator } from './random.mjs';
import { FINDINGS, isHeard, LOOP_S } from './simulated.mjs';

const FLEET_EVERY_S = 2;
const FLEET = 'fleet';
const CHANGE = 'change';

export class Recording {
  #fleet;
  #frames = [];
  #snapshot;
  #byId;

  constructor(fleet, changes_per_s, seed = 11) {
    this.#fleet = fleet;
    this.#snapshot = this.#record();
    this.#byId = [...fleet.hosts].sort((a, b) => (a.id < b.id ? -1 : 1));
    const acts = this.#acts(changes_per_s, generator(seed));
    for (let second = 0; second < LOOP_S; second++) this.#second(second, acts);
    this.#frames.sort((a, b) => a.at_ms - b.at_ms);
  }

  #second(second, acts) {
    for (const act of acts.filter((one) => Math.floor(one.at_ms / 1000) === second)) {
      const { type, body } = act.play(second);
      this.#frames.push({ at_ms: act.at_ms, kind: CHANGE, type, body: JSON.stringify(body) });
    }
    if (second % FLEET_EVERY_S === 0) {
      const body = JSON.stringify(this.#columns(second)).slice(1);
      this.#frames.push({ at_ms: second * 1000 + 999, kind: FLEET, body });
    }
  }

  #record() {
    const { hosts } = this.#fleet;
    return {
      hosts: hosts.map((host) => this.#fleet.summary(host, 0, Date.now())),
      services: hosts.map((host) => this.#fleet.service(host)),
      fleet_models: this.#fleet.models(),
      alerts: [],
      counts: this.#fleet.counts(0),
    };
  }

  /** Something and, half a loop later, its opposite. Nobody is picked twice in a loop. */
  #acts(changes_per_s, random) {
    const half_ms = (LOOP_S * 1000) / 2;
    const free = this.#fleet.hosts.filter((host) => host.status === 'online' && host.models.length);
    const n = Math.min((changes_per_s * LOOP_S) / 2, free.length);
    const acts = [];
    for (let i = 0; i < n; i++) {
      const [host] = free.splice(Math.floor(random() * free.length), 1);
      const at_ms = Math.floor(((i + random() * 0.9) / n) * half_ms);
      const kind = random();
      const make = kind < 0.8 ? this.#toggleModel : kind < 0.93 ? this.#degrade : this.#lose;
      const [there, back] = make(this.#fleet, host, random);
      acts.push({ at_ms, play: there }, { at_ms: at_ms + half_ms, play: back });
    }
    return acts;
  }

  #toggleModel(_, host, random) {
    const model = host.models[Math.floor(random() * host.models.length)];
    const toggle = () => {
      model.warm = !model.warm;
      const type = model.warm ? 'model.loaded' : 'model.unloaded';
      const data = { name: model.name, warm: model.warm };
      return { type, body: { ...of(host), model: model.name, data } };
    };
    return [toggle, toggle];
  }

  #degrade(fleet, host) {
    const set = (type, status, finding) => (second) => {
      Object.assign(host, { status, finding });
      const data = fleet.summary(host, second, Date.now());
      return { type, body: { host_id: host.id, service_id: null, data } };
    };
    const finding = FINDINGS[host.i % FINDINGS.length];
    return [set('host.degraded', 'degraded', finding), set('host.online', 'online', null)];
  }

  #lose(fleet, host) {
    const set = (type, status) => (second) => {
      Object.assign(host, { status });
      const data = fleet.summary(host, second, Date.now());
      return { type, body: { host_id: host.id, service_id: null, data } };
    };
    return [set('host.stale', 'stale'), set('host.online', 'online')];
  }

  #columns(second) {
    const hosts = this.#byId;
    const values = hosts.map((host) =>
      isHeard(host)
        ? { ...this.#fleet.loads(host, second), ...this.#fleet.means(host, second) }
        : { cpu: null, memory: null, vram: null, gpu: null },
    );
    const vram = new Map(hosts.map((host, i) => [host, values[i].vram]));
    return {
      n_hosts: hosts.length,
      cpu_percent: values.map(({ cpu }) => cpu),
      memory_percent: values.map(({ memory }) => memory),
      vram_percent: values.map(({ vram }) => vram),
      gpu_percent: values.map(({ gpu }) => gpu),
      counts: this.#fleet.counts(second, (host) => vram.get(host)),
    };
  }

  /** Plays it to `send`, from its beginning, until what it returns is called. */
  play(send) {
    const epoch = `recorded-${Date.now()}`;
    let [seq, next, loop] = [100, 0, 0];
    const began_ms = Date.now();
    const at = () => new Date().toISOString();
    const head = { type: 'snapshot', view: 'summary', epoch, seq, at: at() };
    send(JSON.stringify({ ...head, ...this.#snapshot }));
    const timer = setInterval(() => {
      for (;;) {
        const frame = this.#frames[next];
        if (!frame || loop * LOOP_S * 1000 + frame.at_ms > Date.now() - began_ms) return;
        next = (next + 1) % this.#frames.length;
        if (next === 0) loop++;
        if (frame.kind === FLEET) send(`{"type":"fleet","seq":${seq},${frame.body}`);
        else {
          const change = { epoch, seq: ++seq, at: at(), type: frame.type };
          const text = JSON.stringify(change).slice(0, -1);
          send(`{"type":"change","change":${text},${frame.body.slice(1)}}`);
        }
      }
    }, 20);
    return () => clearInterval(timer);
  }

  /** The samples of some hosts, a second after second. */
  samples(ids, second) {
    const now_ms = Date.now();
    const hosts = ids.map((id) => this.#fleet.get(id)).filter((host) => host && isHeard(host));
    const samples = hosts.map((host) => this.#fleet.sample(host, second % LOOP_S, now_ms));
    return JSON.stringify({ type: 'samples', seq: 0, samples, services: [] });
  }
}

const of = (host) => ({ host_id: host.id, service_id: host.service_id });
