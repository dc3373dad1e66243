// Where everything goes: one column a kind, in an order with few crossings, each node near those that
// it is linked with. The same graph is always the same picture, and nothing jitters.
import { LAYERS, neighboursOf, type Kind, type Link, type Neighbours } from './topology.ts';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** What stands above a column. */
export interface Head {
  kind: Kind;
  x: number;
  width: number;
  n: number;
}

/** `roomy`: two lines a node; `compact`: one; `dense`: one, in larger type, as all is shown smaller. */
export type Density = 'roomy' | 'compact' | 'dense';

export interface Layout {
  boxes: ReadonlyMap<string, Box>;
  /** The ids of each column, from the top. */
  columns: readonly (readonly string[])[];
  width: number;
  height: number;
  heads: readonly Head[];
  density: Density;
}

interface Item {
  id: string;
  kind: Kind;
}

const WIDTH: Record<Kind, number> = { collector: 148, host: 216, service: 240, model: 304 };
const MEASURES: Record<Density, { height: number; gap: number; widen: number }> = {
  roomy: { height: 46, gap: 14, widen: 1 },
  compact: { height: 28, gap: 7, widen: 1 },
  dense: { height: 25, gap: 3, widen: 1.25 },
};
const ROOMY_MOST = 14;
const COMPACT_MOST = 26;
/** Room for the heads of columns. */
const HEAD = 34;
const SWEEPS = 8;
/** Hosts leave the order of their names only where that much fewer links cross. */
const WORTH = 0.75;

/** Nodes come in the order that they have where nothing speaks for another one. */
export function layoutOf(nodes: readonly Item[], links: readonly Link[]): Layout {
  const of = neighboursOf(links);
  const first = LAYERS.map((kind) =>
    nodes.filter((node) => node.kind === kind).map(({ id }) => id),
  );
  const named = uncrossed(first, of, 2);
  const free = uncrossed(named, of, 1);
  const columns = crossings(free, of) < WORTH * crossings(named, of) ? free : named;
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const density = tallest > COMPACT_MOST ? 'dense' : tallest > ROOMY_MOST ? 'compact' : 'roomy';
  const { height, gap } = MEASURES[density];
  const centres = placed(columns, of, height + gap);
  return { ...boxed(columns, centres, density), columns, density };
}

function boxed(
  columns: readonly (readonly string[])[],
  centres: ReadonlyMap<string, number>,
  density: Density,
): Pick<Layout, 'boxes' | 'heads' | 'width' | 'height'> {
  const { height, widen } = MEASURES[density];
  const all = [...centres.values()];
  const [top, bottom] = [Math.min(...all, 0), Math.max(...all, 0)];
  // Steep curves are hard to follow: a tall picture gets more room between its columns.
  const gap = Math.min(280, Math.max(96, (bottom - top) * 0.22));
  const boxes = new Map<string, Box>();
  const heads: Head[] = [];
  let x = 0;
  for (const [layer, column] of columns.entries()) {
    if (column.length === 0) continue;
    const kind = LAYERS[layer]!;
    const width = WIDTH[kind] * widen;
    heads.push({ kind, x, width, n: column.length });
    for (const id of column) boxes.set(id, { x, y: HEAD + centres.get(id)! - top, width, height });
    x += width + gap;
  }
  return { boxes, heads, width: Math.max(0, x - gap), height: HEAD + bottom - top + height };
}

/** Sweeps to and fro, each node to the middle of its neighbours, and keeps the best that it saw.
 *  Columns before this layer stay in their order. */
function uncrossed(first: string[][], of: Neighbours, from: number): string[][] {
  let best = first;
  let fewest = crossings(first, of);
  let columns = first;
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    columns = columns.map((column) => [...column]);
    // Leftwards each column follows the one to its right; then rightwards, where ties within the
    // services of a host go by what lies beyond them.
    for (let layer = columns.length - 2; layer >= from; layer--) {
      const right = indexOf(columns[layer + 1]!);
      sort(columns, layer, (id) => [mean(of.after.get(id), right)]);
    }
    for (let layer = 2; layer < columns.length; layer++) {
      const left = indexOf(columns[layer - 1]!);
      const right = indexOf(columns[layer + 1] ?? []);
      sort(columns, layer, (id) => [mean(of.before.get(id), left), mean(of.after.get(id), right)]);
    }
    const now = crossings(columns, of);
    if (now < fewest) [best, fewest] = [columns, now];
  }
  return best;
}

/** Sorts by the first number, then the next; what has none goes last and keeps its order. */
function sort(columns: string[][], layer: number, keys: (id: string) => (number | null)[]): void {
  const keyed = columns[layer]!.map((id) => ({ id, keys: keys(id).map((key) => key ?? Infinity) }));
  keyed.sort((a, b) => {
    for (const [i, key] of a.keys.entries()) {
      const other = b.keys[i]!;
      if (key !== other) return key < other ? -1 : 1;
    }
    return 0;
  });
  columns[layer] = keyed.map(({ id }) => id);
}

/** How often two links between neighbouring columns cross. */
export function crossings(columns: readonly (readonly string[])[], of: Neighbours): number {
  let n = 0;
  for (let layer = 0; layer + 1 < columns.length; layer++) {
    const right = indexOf(columns[layer + 1]!);
    const ends: number[] = [];
    for (const id of columns[layer]!) {
      const own = (of.after.get(id) ?? [])
        .map((to) => right.get(to))
        .filter((i) => i !== undefined);
      ends.push(...own.sort((a, b) => a - b));
    }
    n += inversions(ends, right.size);
  }
  return n;
}

/** Pairs that stand the wrong way round, counted with a tree of sums. */
function inversions(values: readonly number[], size: number): number {
  const sums = new Array<number>(size + 1).fill(0);
  let n = 0;
  for (const [before, value] of values.entries()) {
    let notAbove = 0;
    for (let i = value + 1; i > 0; i -= i & -i) notAbove += sums[i]!;
    n += before - notAbove;
    for (let i = value + 1; i <= size; i += i & -i) sums[i]!++;
  }
  return n;
}

/** The longest column is even; outwards from it each node goes as near as it can to its neighbours. */
function placed(columns: readonly (readonly string[])[], of: Neighbours, step: number) {
  const centres = new Map<string, number>();
  const lengths = columns.map((column) => column.length);
  const longest = lengths.lastIndexOf(Math.max(...lengths));
  for (const [i, id] of columns[longest]!.entries()) centres.set(id, i * step);
  for (let layer = longest - 1; layer >= 0; layer--) place(columns[layer]!, of.after);
  for (let layer = longest + 1; layer < columns.length; layer++) place(columns[layer]!, of.before);
  return centres;

  function place(column: readonly string[], toward: Neighbours['after']): void {
    let last = 0;
    const wanted = column.map((id) => (last = mean(toward.get(id), centres) ?? last + step));
    for (const [i, y] of spaced(wanted, step).entries()) centres.set(column[i]!, y);
  }
}

/** As near as can be to where each wants to be, in this order and no closer than a step. */
export function spaced(wanted: readonly number[], step: number): number[] {
  // Less its steps, each may not lie above the one before: what would is pooled to its mean.
  const pools: { sum: number; n: number }[] = [];
  for (const [i, want] of wanted.entries()) {
    let pool = { sum: want - i * step, n: 1 };
    for (
      let last = pools.at(-1);
      last && last.sum / last.n > pool.sum / pool.n;
      last = pools.at(-1)
    ) {
      pool = { sum: pool.sum + last.sum, n: pool.n + last.n };
      pools.pop();
    }
    pools.push(pool);
  }
  return pools
    .flatMap(({ sum, n }) => new Array<number>(n).fill(sum / n))
    .map((offset, i) => offset + i * step);
}

const indexOf = (column: readonly string[]): Map<string, number> =>
  new Map(column.map((id, i) => [id, i]));

function mean(ids: readonly string[] | undefined, of: ReadonlyMap<string, number>): number | null {
  const known = (ids ?? []).map((id) => of.get(id)).filter((value) => value !== undefined);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** The curve of a link, from the right edge of one box to the left edge of another. */
export function curve(from: Box, to: Box): string {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${round(y1)}C${x1 + bend} ${round(y1)} ${x2 - bend} ${round(y2)} ${x2} ${round(y2)}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
