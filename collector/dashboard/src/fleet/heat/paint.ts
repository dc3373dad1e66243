// Paints the part of the heat map that is on the screen. What a square showed last is remembered, so that
// new values repaint only the squares whose colour they change.
import { blocksBetween, cut, TALL_PX, type Layout } from './layout.ts';
import { memoryOf, stepOf, UNKNOWN } from './values.ts';

/** A colour for each step, and one for the outline of what is not known. */
export interface Colours {
  steps: readonly string[];
  unknown: string;
  track: string;
  ground: string;
  /** Of names, and the family of their letters. */
  text: string;
  font: string;
}

/** From the foot of a name to the squares below. */
const NAME_RISE_PX = 5;

type CodesOf = (id: string, n: number, codes: Uint8Array, first: number) => void;

export class Painter {
  #context: CanvasRenderingContext2D;
  #drawn = new Uint8Array();
  #next = new Uint8Array();

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly codesOf: CodesOf,
    /** Between the canvas and its squares. */
    readonly pad_px: number,
  ) {
    this.#context = canvas.getContext('2d')!;
  }

  resize(width: number, height: number, ratio: number): void {
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.#context.setTransform(ratio, 0, 0, ratio, ratio * this.pad_px, 0);
  }

  /** Everything between two heights; squares of a colour in one go. */
  all(layout: Layout, top: number, height: number, width: number, colours: Colours): void {
    if (this.#drawn.length !== layout.n_gpus) {
      this.#drawn = new Uint8Array(layout.n_gpus);
      this.#next = new Uint8Array(layout.n_gpus);
    }
    this.#context.clearRect(-this.pad_px, 0, width, height);
    const [from, to] = blocksBetween(layout, top, top + height);
    const byCode = new Map<number, number[]>();
    for (let block = from; block < to; block++) {
      const { id, n_gpus, first } = layout.blocks[block]!;
      this.codesOf(id, n_gpus, this.#drawn, first);
      for (let gpu = 0; gpu < n_gpus; gpu++) {
        const code = this.#drawn[first + gpu]!;
        const places = byCode.get(code);
        if (places) places.push(block, gpu);
        else byCode.set(code, [block, gpu]);
      }
    }
    for (const [code, places] of byCode) {
      for (let i = 0; i < places.length; i += 2) {
        this.#square(layout, places[i]!, places[i + 1]!, code, top, colours);
      }
    }
    if (layout.name_px > 0) this.#names(layout, from, to, top, colours);
  }

  #names(layout: Layout, from: number, to: number, top: number, colours: Colours): void {
    const context = this.#context;
    context.font = `500 11px ${colours.font}`;
    context.fillStyle = colours.text;
    const widthOf = (text: string) => context.measureText(text).width;
    for (const { name, x, y, width } of layout.blocks.slice(from, to)) {
      context.fillText(cut(name, width, widthOf), x, y - top - NAME_RISE_PX);
    }
  }

  /** Only what is of another colour than before. */
  changed(layout: Layout, top: number, height: number, colours: Colours): void {
    if (this.#drawn.length !== layout.n_gpus) return;
    const [from, to] = blocksBetween(layout, top, top + height);
    for (let block = from; block < to; block++) {
      const { id, n_gpus, first } = layout.blocks[block]!;
      this.codesOf(id, n_gpus, this.#next, first);
      for (let gpu = 0; gpu < n_gpus; gpu++) {
        const code = this.#next[first + gpu]!;
        if (code === this.#drawn[first + gpu]) continue;
        this.#drawn[first + gpu] = code;
        this.#square(layout, block, gpu, code, top, colours);
      }
    }
  }

  #square(
    layout: Layout,
    block: number,
    gpu: number,
    code: number,
    top: number,
    colours: Colours,
  ): void {
    const { x: left, y: above, columns } = layout.blocks[block]!;
    const size = layout.pitch - 1;
    const x = left + (gpu % columns) * layout.pitch;
    const y = above + Math.floor(gpu / columns) * layout.pitch - top;
    const context = this.#context;
    const step = stepOf(code);
    if (step === UNKNOWN) {
      context.fillStyle = colours.ground;
      context.fillRect(x, y, size, size);
      context.strokeStyle = colours.unknown;
      context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
      return;
    }
    const filled = layout.pitch < TALL_PX ? size : heightOf(memoryOf(code), size);
    if (filled < size) {
      context.fillStyle = colours.track;
      context.fillRect(x, y, size, size - filled);
    }
    context.fillStyle = colours.steps[step]!;
    context.fillRect(x, y + size - filled, size, filled);
  }
}

function heightOf(memory: number, size: number): number {
  return memory === UNKNOWN ? size : Math.max(2, Math.round((size * memory) / 10));
}
