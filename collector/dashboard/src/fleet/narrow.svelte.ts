// Whether the page is narrow, by the very rule by which the styles turn rows into cards. A measured width is
// another rule: a scroll bar is part of the one and not of the other.
const NARROW = matchMedia('(max-width: 735px)');

let narrow = $state(NARROW.matches);
// The page is one for as long as it lives, and so is this.
NARROW.addEventListener('change', () => (narrow = NARROW.matches));

export const isNarrow = (): boolean => narrow;
