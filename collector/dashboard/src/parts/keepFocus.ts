// A list that is drawn anew must not drop the focus: an element that is moved loses it, and one that is
// gone takes it along to the page's body, from where a keyboard begins at the top.
import { tick } from 'svelte';

/** Called before the list is drawn anew: afterwards the focus is where it was, or else on the list. */
export async function keepFocus(list: HTMLElement | undefined): Promise<void> {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || !list?.contains(focused)) return;
  await tick();
  // Whoever took it meanwhile keeps it.
  if (document.activeElement !== document.body) return;
  (focused.isConnected ? focused : list).focus({ preventScroll: true });
}
