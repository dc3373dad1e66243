// The last samples of one host as the feed brings them, column by column under the names of
// `GET api/v1/hosts/{id}/samples`, and no more of them than a chart of ten minutes shows.

export const WINDOW_S = 600;
/** Kept beyond the window before the oldest are let go, so that this is done once in a while. */
const SLACK_S = 60;
/** A host that invents GPUs all the time gets no more columns than this. */
export const COLUMNS_MOST = 800;

/** What one sample says, by column. */
export type Readings = Readonly<Record<string, number | null>>;

export class Ring {
  #at: number[] = [];
  #columns = new Map<string, (number | null)[]>();

  get length(): number {
    return this.#at.length;
  }

  /** False where it is not newer than what is there. */
  push(at_s: number, readings: Readings): boolean {
    const last_s = this.#at.at(-1);
    if (last_s !== undefined && at_s <= last_s) return false;
    for (const name of Object.keys(readings)) this.#meet(name);
    this.#at.push(at_s);
    for (const [name, column] of this.#columns) column.push(readings[name] ?? null);
    if (at_s - this.#at[0]! > WINDOW_S + SLACK_S) this.#letGo(at_s - WINDOW_S);
    return true;
  }

  /** The instants after `since_s`, and what each column has there. */
  after(since_s: number): { at: number[]; column: (name: string) => (number | null)[] | null } {
    const first = this.#first(since_s);
    return {
      at: this.#at.slice(first),
      column: (name) => this.#columns.get(name)?.slice(first) ?? null,
    };
  }

  names(): Iterable<string> {
    return this.#columns.keys();
  }

  #meet(name: string): void {
    if (this.#columns.has(name) || this.#columns.size >= COLUMNS_MOST) return;
    this.#columns.set(name, new Array<number | null>(this.#at.length).fill(null));
  }

  #letGo(until_s: number): void {
    const first = this.#first(until_s);
    this.#at.splice(0, first);
    for (const [name, column] of this.#columns) {
      column.splice(0, first);
      if (column.every((value) => value === null)) this.#columns.delete(name);
    }
  }

  /** Where what is later than `since_s` begins; few are, so it is sought from the end. */
  #first(since_s: number): number {
    let first = this.#at.length;
    while (first > 0 && this.#at[first - 1]! > since_s) first--;
    return first;
  }
}
