// The last ten minutes of one host at one sample a second, in flat arrays that never grow.
// A pause between two samples stays a gap: an empty point goes between them.

export const CAPACITY = 660;
export const WINDOW_S = 600;
/** Longer than this between two samples and the line breaks. */
export const GAP_S = 5;

export interface Point {
  at_s: number;
  cpu: number;
  memory: number;
  gpu: number;
}

/** Columns as the chart wants them: seconds, then one list of values or nulls a series. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[]];

export class Ring {
  #at = new Float64Array(CAPACITY);
  #values = [
    new Float32Array(CAPACITY),
    new Float32Array(CAPACITY),
    new Float32Array(CAPACITY),
  ] as const;
  #next = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  last(): number | null {
    if (this.#length === 0) return null;
    return this.#at[(this.#next + CAPACITY - 1) % CAPACITY]!;
  }

  push(point: Point): void {
    const last = this.last();
    if (last !== null && point.at_s <= last) return;
    if (last !== null && point.at_s - last > GAP_S) {
      this.#write({ at_s: last + 1, cpu: NaN, memory: NaN, gpu: NaN });
    }
    this.#write(point);
  }

  /** The points younger than the window, seen from `now_s`. */
  columns(now_s: number): Columns {
    const columns: Columns = [[], [], [], []];
    for (let i = 0; i < this.#length; i++) {
      const slot = (this.#next + CAPACITY - this.#length + i) % CAPACITY;
      const at = this.#at[slot]!;
      if (at < now_s - WINDOW_S) continue;
      columns[0].push(at);
      columns[1].push(known(this.#values[0][slot]!));
      columns[2].push(known(this.#values[1][slot]!));
      columns[3].push(known(this.#values[2][slot]!));
    }
    return columns;
  }

  #write(point: Point): void {
    this.#at[this.#next] = point.at_s;
    this.#values[0][this.#next] = point.cpu;
    this.#values[1][this.#next] = point.memory;
    this.#values[2][this.#next] = point.gpu;
    this.#next = (this.#next + 1) % CAPACITY;
    this.#length = Math.min(CAPACITY, this.#length + 1);
  }
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

/** Rings of the hosts seen last; beyond the bound the one longest without a sample goes. */
export class Rings {
  #rings = new Map<string, Ring>();
  constructor(readonly bound = 200) {}

  push(hostId: string, point: Point): void {
    const ring = this.#rings.get(hostId) ?? new Ring();
    this.#rings.delete(hostId);
    this.#rings.set(hostId, ring);
    ring.push(point);
    if (this.#rings.size > this.bound) {
      const oldest = this.#rings.keys().next().value;
      if (oldest !== undefined) this.#rings.delete(oldest);
    }
  }

  get(hostId: string): Ring | undefined {
    return this.#rings.get(hostId);
  }

  get size(): number {
    return this.#rings.size;
  }
}
