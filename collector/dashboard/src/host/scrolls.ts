// What scrolls must be reachable by keyboard, and what does not needs no stop there. It has a role and a
// name of its own: `<div role="region" aria-label="…" {@attach scrolls}>`.
import type { Attachment } from 'svelte/attachments';

export const scrolls: Attachment<HTMLElement> = (box) => {
  const judge = () => {
    const isWide = box.scrollWidth > box.clientWidth;
    if (isWide || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute('tabindex');
  };
  const size = new ResizeObserver(judge);
  size.observe(box);
  if (box.firstElementChild) size.observe(box.firstElementChild);
  return () => size.disconnect();
};
