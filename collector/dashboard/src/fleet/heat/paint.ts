// Paints the part of the heat map that is on the screen. What a square showed last is remembered, so that
// new values repaint only the squares whose colour they change.
import { blocksBetween, type Layout } from './layout.ts';
import { UNKNOWN } from './values.ts';

/** A colour for each step, and one for the outline of what is not known. */
export interface Colours {
  steps: readonly string[];
  unknown: string;
  ground: string;
}

type StepsOf = (id: string, n: number, steps: Uint8Array, first: number) => void;

export class Painter {
  #context: CanvasRenderingContext2D;
  #drawn = new Uint8Array();
  #next = new Uint8Array();

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly stepsOf: StepsOf,
  ) {
    this.#context = canvas.getContext('2d')!;
  }

  resize(width: number, height: number, ratio: number): void {
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Everything between two heights; squares of a colour in one go. */
  all(layout: Layout, top: number, height: number, width: number, colours: Colours): void {
    if (this.#drawn.length !== layout.n_gpus) {
      this.#drawn = new Uint8Array(layout.n_gpus);
      this.#next = new Uint8Array(layout.n_gpus);
    }
    this.#context.clearRect(0, 0, width, height);
    const [from, to] = blocksBetween(layout, top, top + height);
    const byStep = new Map<number, number[]>();
    for (let block = from; block < to; block++) {
      const { id, n_gpus, first } = layout.blocks[block]!;
      this.stepsOf(id, n_gpus, this.#drawn, first);
      for (let gpu = 0; gpu < n_gpus; gpu++) {
        const step = this.#drawn[first + gpu]!;
        const places = byStep.get(step);
        if (places) places.push(block, gpu);
        else byStep.set(step, [block, gpu]);
      }
    }
    for (const [step, places] of byStep) {
      for (let i = 0; i < places.length; i += 2) {
        this.#square(layout, places[i]!, places[i + 1]!, step, top, colours);
      }
    }
  }

  /** Only what is of another colour than before. */
  changed(layout: Layout, top: number, height: number, colours: Colours): void {
    if (this.#drawn.length !== layout.n_gpus) return;
    const [from, to] = blocksBetween(layout, top, top + height);
    for (let block = from; block < to; block++) {
      const { id, n_gpus, first } = layout.blocks[block]!;
      this.stepsOf(id, n_gpus, this.#next, first);
      for (let gpu = 0; gpu < n_gpus; gpu++) {
        const step = this.#next[first + gpu]!;
        if (step === this.#drawn[first + gpu]) continue;
        this.#drawn[first + gpu] = step;
        this.#square(layout, block, gpu, step, top, colours);
      }
    }
  }

  #square(
    layout: Layout,
    block: number,
    gpu: number,
    step: number,
    top: number,
    colours: Colours,
  ): void {
    const { x: left, y: above, columns } = layout.blocks[block]!;
    const size = layout.pitch - 1;
    const x = left + (gpu % columns) * layout.pitch;
    const y = above + Math.floor(gpu / columns) * layout.pitch - top;
    const context = this.#context;
    if (step !== UNKNOWN) {
      context.fillStyle = colours.steps[step]!;
      context.fillRect(x, y, size, size);
      return;
    }
    context.fillStyle = colours.ground;
    context.fillRect(x, y, size, size);
    context.strokeStyle = colours.unknown;
    context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  }
}
