// The virtual list's core as a value that Svelte can watch: which lines are on the screen. It moves only
// when they change, not with every pixel of scrolling.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type Range,
} from '@tanstack/virtual-core';

export interface Place {
  line: number;
  top: number;
}

/** Beyond both edges of the screen. */
const OVERSCAN = 4;
/** Lines come and go so many at a time: a frame in which any does costs more than the lines themselves. */
const BATCH = 2;

export class VirtualRows {
  /** The lines that exist, some beyond both edges of the screen. */
  places = $state.raw<readonly Place[]>([]);
  /** The first line that can be seen. */
  first = $state(0);
  height = $state(0);
  #core: Virtualizer<HTMLElement, HTMLElement>;
  #unmount: () => void;
  #layout = '';

  constructor(scroller: HTMLElement, head_px: number) {
    this.#core = new Virtualizer<HTMLElement, HTMLElement>({
      count: 0,
      getScrollElement: () => scroller,
      estimateSize: () => 0,
      overscan: OVERSCAN,
      rangeExtractor: batched,
      scrollMargin: 0,
      scrollPaddingStart: head_px,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      onChange: () => this.#read(),
    });
    this.#unmount = this.#core._didMount();
    this.#core._willUpdate();
  }

  /** `layout` differs where any line is of another height than before. */
  resize(count: number, heightOf: (line: number) => number, layout: string): void {
    if (layout === this.#layout) return;
    this.#layout = layout;
    this.#core.setOptions({ ...this.#core.options, count, estimateSize: heightOf });
    this.#core.measure();
    this.#core._willUpdate();
    this.#read();
  }

  reveal(line: number): void {
    this.#core.scrollToIndex(line, { align: 'auto' });
  }

  unmount(): void {
    this.#unmount();
  }

  #read(): void {
    const items = this.#core.getVirtualItems();
    const before = this.places;
    const same =
      items.length === before.length &&
      items.every((item, i) => item.index === before[i]!.line && item.start === before[i]!.top);
    if (!same) this.places = items.map(({ index, start }) => ({ line: index, top: start }));
    this.first = this.#core.range?.startIndex ?? 0;
    this.height = this.#core.getTotalSize();
  }
}

function batched({ startIndex, endIndex, overscan, count }: Range): number[] {
  const first = Math.max(0, Math.floor((startIndex - overscan) / BATCH) * BATCH);
  const end = Math.min(count, Math.ceil((endIndex + 1 + overscan) / BATCH) * BATCH);
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
}
