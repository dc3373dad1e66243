// What scrolls sideways must be reachable by keyboard, and what does not needs no stop there.
import type { Attachment } from 'svelte/attachments';

export const scrolls: Attachment<HTMLElement> = (box) => {
  const judge = () => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute('tabindex');
  };
  const size = new ResizeObserver(judge);
  size.observe(box);
  if (box.firstElementChild) size.observe(box.firstElementChild);
  return () => size.disconnect();
};
