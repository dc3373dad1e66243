// Development only: numbers that look random and are the same on every run and machine.

/** A generator of numbers from 0 up to 1. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mixed(state);
  };
}

/** One number from 0 up to 1 for a pair of whole numbers, without a state. */
export const noise = (a, b) => mixed((Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 0);

function mixed(state) {
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

export function uuid(random) {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  hex[12] = '7';
  hex[16] = '89ab'[Math.floor(random() * 4)];
  const text = hex.join('');
  const ends = [8, 12, 16, 20, 32];
  return ends.map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1], end)).join('-');
}
