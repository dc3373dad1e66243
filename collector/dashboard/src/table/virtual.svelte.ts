// The virtual list's core as a value that Svelte can watch: which rows are on the screen, and where.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualItem,
} from '@tanstack/virtual-core';

export class VirtualRows {
  items = $state.raw<VirtualItem[]>([]);
  height = $state(0);
  #core: Virtualizer<HTMLElement, HTMLElement>;
  #unmount: () => void;

  constructor(scroller: HTMLElement, row_px: number, head_px: number) {
    this.#core = new Virtualizer<HTMLElement, HTMLElement>({
      count: 0,
      getScrollElement: () => scroller,
      estimateSize: () => row_px,
      overscan: 8,
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

  end(): void {
    this.#unmount();
  }

  #read(): void {
    this.items = this.#core.getVirtualItems();
    this.height = this.#core.getTotalSize();
  }
}
