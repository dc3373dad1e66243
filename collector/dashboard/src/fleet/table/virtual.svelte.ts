// The virtual list's core as a value that Svelte can watch: which rows are on the screen. It moves only
// when they change, not with every pixel of scrolling.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from '@tanstack/virtual-core';

export class VirtualRows {
  first = $state(0);
  /** Behind the last one. */
  end = $state(0);
  height = $state(0);
  #core: Virtualizer<HTMLElement, HTMLElement>;
  #unmount: () => void;

  constructor(scroller: HTMLElement, row_px: number, head_px: number) {
    this.#core = new Virtualizer<HTMLElement, HTMLElement>({
      count: 0,
      getScrollElement: () => scroller,
      estimateSize: () => row_px,
      overscan: 5,
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

  resize(count: number, row_px: number): void {
    const { options } = this.#core;
    if (options.count === count && options.estimateSize(0) === row_px) return;
    const remeasure = options.estimateSize(0) !== row_px;
    this.#core.setOptions({ ...options, count, estimateSize: () => row_px });
    if (remeasure) this.#core.measure();
    this.#core._willUpdate();
    this.#read();
  }

  reveal(index: number): void {
    this.#core.scrollToIndex(index, { align: 'auto' });
  }

  unmount(): void {
    this.#unmount();
  }

  #read(): void {
    const items = this.#core.getVirtualItems();
    this.first = items[0]?.index ?? 0;
    this.end = (items.at(-1)?.index ?? -1) + 1;
    this.height = this.#core.getTotalSize();
  }
}
