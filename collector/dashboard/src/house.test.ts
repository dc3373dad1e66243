// Rules of the house that no compiler holds.
import { expect, it } from 'vitest';

const sources = import.meta.glob<string>(
  ['./**/*.{ts,svelte}', '!./**/*.test.ts', '!./generated/**'],
  {
    query: '?raw',
    import: 'default',
    eager: true,
  },
);
const files = Object.entries(sources);

it('sees the sources', () => {
  expect(files.length).toBeGreaterThan(30);
});

it.each(files)('%s sets names as text only and brings no inline style', (_, text) => {
  expect(text).not.toMatch(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
  expect(text).not.toMatch(/\sstyle="/);
  expect(text).not.toMatch(/\beval\(|new Function/);
});

it.each(files)('%s is short', (_, text) => {
  expect(text.split('\n').length).toBeLessThanOrEqual(260);
});
