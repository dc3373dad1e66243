// What moves and is no part of the fold: the four percentages of every host in flat columns (written
// by the fleet frame, read by sorting) and the last sample of each watched host and service.
// A value of a host that is not heard is not known: NaN here, a dash on the page.
import type { FleetFrame, HostSample, HostStatus, HostSummary, ServiceSample } from './contract.ts';
import type { Fleet } from './fold.ts';

const COLUMNS = ['cpu', 'memory', 'vram', 'gpu'] as const;
export type Column = (typeof COLUMNS)[number];

export const isHeard = (status: HostStatus): boolean =>
  status === 'online' || status === 'degraded';

export class Live {
  readonly samples = new Map<string, HostSample>();
  readonly serviceSamples = new Map<string, ServiceSample>();
  #slots = new Map<string, number>();
  #free: number[] = [];
  #columns: Record<Column, Float32Array> = columns(64);
  #ids: string[] | null = null;

  /** Everything anew, from a snapshot. */
  reset(fleet: Fleet): void {
    this.#slots.clear();
    this.#free = [];
    this.#ids = null;
    this.#columns = columns(Math.max(64, fleet.hosts.size));
    for (const id of this.samples.keys()) if (!fleet.hosts.has(id)) this.samples.delete(id);
    for (const host of fleet.hosts.values()) this.write(host);
  }

  /** Takes the values of a host's summary over, after a change of it. */
  write(host: HostSummary): void {
    const slot = this.#slot(host.id);
    const heard = isHeard(host.status);
    this.#columns.cpu[slot] = heard ? number(host.cpu_percent) : NaN;
    this.#columns.memory[slot] = heard ? number(host.memory_percent) : NaN;
    this.#columns.vram[slot] = heard ? number(host.vram_percent) : NaN;
    this.#columns.gpu[slot] = heard ? meanUtilisation(host) : NaN;
    if (!heard) this.samples.delete(host.id);
  }

  remove(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    this.#free.push(slot);
    this.#ids = null;
    this.samples.delete(id);
  }

  /** Columns in ascending order of host id. False when they are not of the hosts known here. */
  columns(fleet: Fleet, frame: FleetFrame): boolean {
    if (frame.n_hosts !== this.#slots.size || frame.seq < fleet.membership_seq) return false;
    this.#ids ??= [...this.#slots.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (const [i, id] of this.#ids.entries()) {
      const slot = this.#slots.get(id)!;
      const host = fleet.hosts.get(id);
      const heard = host !== undefined && isHeard(host.status);
      this.#columns.cpu[slot] = heard ? number(frame.cpu_percent[i]) : NaN;
      this.#columns.memory[slot] = heard ? number(frame.memory_percent[i]) : NaN;
      this.#columns.vram[slot] = heard ? number(frame.vram_percent[i]) : NaN;
      this.#columns.gpu[slot] = heard ? number(frame.gpu_percent[i]) : NaN;
    }
    return true;
  }

  /** Keeps the sample of a host that is known and heard; says whether it did. */
  sample(fleet: Fleet, sample: HostSample): boolean {
    const host = fleet.hosts.get(sample.host_id);
    if (!host || !isHeard(host.status)) return false;
    this.samples.set(sample.host_id, sample);
    return true;
  }

  /** Forgets the samples of what is no longer watched: they would only grow old. */
  keep(hosts: ReadonlySet<string>, services: ReadonlySet<string>): void {
    for (const id of this.samples.keys()) if (!hosts.has(id)) this.samples.delete(id);
    for (const id of this.serviceSamples.keys()) {
      if (!services.has(id)) this.serviceSamples.delete(id);
    }
  }

  get(id: string, column: Column): number {
    const slot = this.#slots.get(id);
    return slot === undefined ? NaN : (this.#columns[column][slot] ?? NaN);
  }

  #slot(id: string): number {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const slot = this.#free.pop() ?? this.#slots.size;
    if (slot >= this.#columns.cpu.length) this.#grow();
    this.#slots.set(id, slot);
    this.#ids = null;
    return slot;
  }

  #grow(): void {
    const wider = columns(this.#columns.cpu.length * 2);
    for (const column of COLUMNS) wider[column].set(this.#columns[column]);
    this.#columns = wider;
  }
}

function columns(length: number): Record<Column, Float32Array> {
  const empty = () => new Float32Array(length).fill(NaN);
  return { cpu: empty(), memory: empty(), vram: empty(), gpu: empty() };
}

const number = (value: number | null | undefined): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : NaN;

function meanUtilisation(host: HostSummary): number {
  const known = (host.gpus ?? []).map(([used]) => used).filter((used) => used !== null);
  return known.length === 0 ? NaN : known.reduce((sum, used) => sum + used, 0) / known.length;
}
