// Where each host's GPUs are on the heat map: blocks of small squares, line by line, as large as lets all
// of them be seen at once. Pure; everything is in CSS pixels.

export interface Section {
  title: string | null;
  hosts: readonly { id: string; name: string; n_gpus: number }[];
}

export interface Block {
  id: string;
  name: string;
  n_gpus: number;
  /** The number of its first GPU among all. */
  first: number;
  x: number;
  /** Of its squares; its name stands above. */
  y: number;
  columns: number;
  /** What its name may take, too. */
  width: number;
}

export interface Pointed {
  block: number;
  gpu: number | null;
}

/** Blocks side by side, by their places in `blocks`. */
interface Row {
  y: number;
  height: number;
  from: number;
  to: number;
}

export interface Layout {
  /** From one square to the next; the square itself is one less. */
  pitch: number;
  blocks: readonly Block[];
  rows: readonly Row[];
  headings: readonly { title: string; y: number }[];
  height: number;
  n_gpus: number;
  /** The height of the line of names above the squares; 0 where hosts are too many to be named. */
  name_px: number;
}

export const HEADING_PX = 26;
/** From as much on, a square is tall enough to show how full its memory is. */
export const TALL_PX = 13;
/** From as much on, hosts have names. */
export const NAMED_PX = 26;
const NAME_PX = 17;
/** A name has this much room, also above a single square. */
const NAME_WIDTH_PX = 84;
const PITCHES = [36, 30, 26, 22, 18, 15, 13, 11, 9, 8, 7, 6, 5];

/** A host's squares: few in a line, so that hosts stay apart for the eye. */
export function columnsOf(n_gpus: number): number {
  if (n_gpus <= 4) return Math.max(1, n_gpus);
  return n_gpus <= 8 ? 4 : 8;
}

export function layOut(sections: readonly Section[], width: number, height: number): Layout {
  let layout = withPitch(sections, width, PITCHES[0]!);
  for (const pitch of PITCHES.slice(1)) {
    if (layout.height <= height) break;
    layout = withPitch(sections, width, pitch);
  }
  return layout;
}

function withPitch(sections: readonly Section[], width: number, pitch: number): Layout {
  const gap = Math.max(3, Math.round(pitch / 2));
  const name_px = pitch >= NAMED_PX ? NAME_PX : 0;
  const blocks: Block[] = [];
  const rows: Row[] = [];
  const headings: { title: string; y: number }[] = [];
  let [y, first] = [0, 0];
  for (const { title, hosts } of sections) {
    if (title !== null) {
      headings.push({ title, y });
      y += HEADING_PX;
    }
    let row: Row = { y, height: 0, from: blocks.length, to: blocks.length };
    let x = 0;
    for (const { id, name, n_gpus } of hosts) {
      const columns = columnsOf(n_gpus);
      const taken = Math.max(columns * pitch, name_px > 0 ? NAME_WIDTH_PX : 0);
      if (x > 0 && x + taken > width) {
        rows.push(row);
        y += row.height + gap;
        row = { y, height: 0, from: blocks.length, to: blocks.length };
        x = 0;
      }
      blocks.push({ id, name, n_gpus, first, x, y: y + name_px, columns, width: taken });
      first += n_gpus;
      x += taken + gap;
      row.to = blocks.length;
      row.height = Math.max(row.height, name_px + Math.ceil(n_gpus / columns) * pitch);
    }
    if (row.to > row.from) {
      rows.push(row);
      y += row.height + gap;
    }
  }
  return { pitch, blocks, rows, headings, height: y, n_gpus: first, name_px };
}

/** The first row that reaches below `y`. */
export function rowFrom({ rows }: Layout, y: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.y + rows[middle]!.height <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The blocks between two heights, from the first up to the one behind the last. */
export function blocksBetween(layout: Layout, top: number, bottom: number): [number, number] {
  const from = rowFrom(layout, top);
  let to = from;
  while (to < layout.rows.length && layout.rows[to]!.y < bottom) to++;
  if (from === to) return [0, 0];
  return [layout.rows[from]!.from, layout.rows[to - 1]!.to];
}

/** The host at a point, and the GPU of it; none is at its name. */
export function at(layout: Layout, x: number, y: number): Pointed | null {
  const row = layout.rows[rowFrom(layout, y)];
  if (!row || y < row.y) return null;
  for (let block = row.from; block < row.to; block++) {
    const { x: left, y: top, columns, n_gpus, width } = layout.blocks[block]!;
    if (y < top && x >= left && x < left + width) return { block, gpu: null };
    const column = Math.floor((x - left) / layout.pitch);
    if (y < top || column < 0 || column >= columns) continue;
    const gpu = Math.floor((y - top) / layout.pitch) * columns + column;
    return gpu < n_gpus ? { block, gpu } : null;
  }
  return null;
}

/** A name as far as there is room for it. */
export function cut(name: string, room: number, widthOf: (text: string) => number): string {
  if (widthOf(name) <= room) return name;
  const letters = [...name];
  let [fits, fitsNot] = [0, letters.length];
  while (fitsNot - fits > 1) {
    const middle = (fits + fitsNot) >> 1;
    if (widthOf(`${letters.slice(0, middle).join('')}…`) <= room) fits = middle;
    else fitsNot = middle;
  }
  return `${letters.slice(0, fits).join('').trimEnd()}…`;
}

/** The block that a key leads to. */
export function beside(layout: Layout, block: number, key: string): number | null {
  const last = layout.blocks.length - 1;
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  if (key === 'ArrowLeft') return Math.max(0, block - 1);
  if (key === 'ArrowRight') return Math.min(last, block + 1);
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return null;
  const here = layout.rows.findIndex(({ from, to }) => from <= block && block < to);
  const row = layout.rows[here + (key === 'ArrowUp' ? -1 : 1)];
  if (!row) return block;
  const { x } = layout.blocks[block]!;
  let nearest = row.from;
  for (let other = row.from; other < row.to; other++) {
    const away = (one: number) => Math.abs(layout.blocks[one]!.x - x);
    if (away(other) < away(nearest)) nearest = other;
  }
  return nearest;
}
